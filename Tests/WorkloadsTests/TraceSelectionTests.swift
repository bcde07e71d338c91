// SPDX-License-Identifier: Apache-2.0
// epsim: tests of parts of traces and of traces that generators make.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct TraceSelectionTests {
  private func law() throws -> RoutingTrace { try RoutingTrace(contentsOfFile: Fixtures.lawTrace) }

  private func token(_ trace: RoutingTrace, _ token: Int) -> ArraySlice<Int32> {
    trace.expertIndices[token * 156..<(token + 1) * 156]
  }

  @Test func aSampleOfTokensIsARandomPartInOrder() throws {
    let law = try law()
    let sample = try SelectedTrace(sampling: 1000, by: .token, of: law, seed: 3)
    let trace = try sample.window(0..<1000)
    #expect(sample.shape.tokenCount == 1000 && sample.sequenceLengths.reduce(0, +) == 1000)
    // Every token is found in the source, in order.
    var place = 0
    for index in 0..<1000 {
      while place < law.tokenCount, token(law, place) != token(trace, index) { place += 1 }
      #expect(place < law.tokenCount, "token \(index)")
    }
    let again = try SelectedTrace(sampling: 1000, by: .token, of: law, seed: 3)
    #expect(try again.window(0..<1000) == trace)
    let other = try SelectedTrace(sampling: 1000, by: .token, of: law, seed: 4)
    #expect(try other.window(0..<1000) != trace)
    // Spread evenly: each tenth of the source gives about a tenth, 100 with a deviation of 9.
    let lengths = try SelectedTrace(sampling: 8327 / 2, by: .token, of: law, seed: 1)
    #expect(lengths.sequenceLengths.count == 33)
    // Windows of the sample are parts of it.
    let pieces = try sample.window(0..<333).expertIndices + sample.window(333..<1000).expertIndices
    #expect(pieces == trace.expertIndices)
  }

  @Test func everyTokenIsSampledEquallyOften() throws {
    let ids = (0..<20).map { Int32($0) }
    let trace = try Fixtures.smallTrace(experts: 20, topK: 1, layers: 1, lengths: nil, ids: ids)
    var counts = Array(repeating: 0, count: 20)
    for seed in 0..<2000 {
      let sample = try SelectedTrace(sampling: 5, by: .token, of: trace, seed: UInt64(seed))
      for id in try sample.window(0..<5).expertIndices { counts[Int(id)] += 1 }
    }
    // 500 each, with a deviation of sqrt(2000 / 4 x 3 / 4) = 19.
    #expect(counts.allSatisfy { abs($0 - 500) < 97 }, "\(counts)")
  }

  @Test func aSampleOfSequencesKeepsThemWhole() throws {
    let law = try law()
    let sample = try SelectedTrace(sampling: 1000, by: .sequence, of: law, seed: 1)
    let lengths = sample.sequenceLengths
    #expect(sample.shape.tokenCount >= 1000)
    #expect(sample.shape.tokenCount - lengths.max()! < 1000)
    #expect(lengths.allSatisfy { law.sequenceLengths.contains($0) })
    #expect(try sample.window(0..<sample.shape.tokenCount).sequenceLengths == lengths)
  }

  @Test func bothSidesOfACutAreTheWhole() throws {
    let law = try law()
    for (unit, at) in [(TraceUnit.token, 4000), (.sequence, 4000), (.sequence, 1)] {
      let (first, second) = try SelectedTrace.split(law, at: at, by: unit)
      let sides = try [first, second].map { try $0.window(0..<$0.shape.tokenCount) }
      #expect(sides[0].expertIndices + sides[1].expertIndices == law.expertIndices)
      #expect(sides[0].routingWeights + sides[1].routingWeights == law.routingWeights)
      if unit == .token {
        #expect(sides[0].tokenCount == 4000)
      } else {
        #expect(sides[0].sequenceLengths + sides[1].sequenceLengths == law.sequenceLengths)
        #expect(abs(sides[0].tokenCount - at) <= law.sequenceLengths.max()!)
      }
    }
  }

  @Test func impossiblePartsAreRefused() throws {
    let trace = try Fixtures.smallTrace()
    expectInputError("4 tokens", "1 to 3") {
      _ = try SelectedTrace(sampling: 4, by: .token, of: trace, seed: 1)
    }
    expectInputError("0 tokens") {
      _ = try SelectedTrace(sampling: 0, by: .sequence, of: trace, seed: 1)
    }
    expectInputError("3 of 3 tokens", "empty") {
      _ = try SelectedTrace.split(trace, at: 3, by: .token)
    }
    let single = try Fixtures.smallTrace(lengths: nil)
    expectInputError("1 sequences", "empty") {
      _ = try SelectedTrace.split(single, at: 2, by: .sequence)
    }
  }

  @Test func aGeneratedTraceIsWhatTheWorkloadRoutes() throws {
    let generator = ZipfWorkload(
      exponent: 1.1, expertCount: 32, topK: 4, layerCount: 6, seed: 9)
    let source = try GeneratedTrace(
      generator, origin: .init(model: "m", domain: "zipf", source: "", license: ""),
      layers: [2, 3, 4], tokenCount: 300)
    let trace = try source.window(0..<300)
    #expect(trace.layers == [2, 3, 4] && trace.sequenceLengths == [300])
    let workload = TraceWorkload(trace: trace, tokens: 0..<300, windowSize: 300)
    let positions = (0..<300).map { Int32($0) }
    for layer in 2..<5 {
      var own = RoutingDecision(tokenCount: 300, topK: 4)
      var other = own
      generator.route(layer: layer, step: 0, positions: positions.span, into: &own)
      workload.route(layer: layer, step: 0, positions: positions.span, into: &other)
      #expect(own == other)
    }
    #expect(try source.window(100..<200) == trace.window(100..<200))
    expectInputError("does not route layer 6") {
      _ = try GeneratedTrace(
        generator, origin: trace.origin, layers: [5, 6], tokenCount: 1)
    }
  }
}
