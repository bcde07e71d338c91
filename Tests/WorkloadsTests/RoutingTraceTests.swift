// SPDX-License-Identifier: Apache-2.0
// epsim: tests of routing traces: the real ones, and what is refused.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct RoutingTraceTests {
  @Test(arguments: [
    (Fixtures.lawTrace, "law", 8327, 33, 125, 580),
    (Fixtures.intentTrace, "intent", 8222, 127, 47, 88),
  ])
  func theRealTracesAreRead(
    path: String, domain: String, tokens: Int, samples: Int, shortest: Int, longest: Int
  ) throws {
    let trace = try RoutingTrace(contentsOfFile: path)
    #expect(trace.origin.model == "deepseek-v2-lite")
    #expect(trace.origin.domain == domain)
    #expect(trace.origin.license == "MIT")
    #expect(trace.origin.source.hasPrefix("github.com/deepseek-ai/ESFT"))
    #expect(trace.expertCount == 64 && trace.topK == 6)
    #expect(trace.layers == Array(1..<27))
    #expect(trace.tokenCount == tokens)
    #expect(trace.sequenceLengths.count == samples)
    #expect(trace.sequenceLengths.min() == shortest)
    #expect(trace.sequenceLengths.max() == longest)
    #expect(trace.sequenceOfToken.count == tokens)
    #expect(Int(trace.sequenceOfToken[tokens - 1]) == samples - 1)

    // The six probabilities of a token sum to 0.14 ... 1.00, as the trace's README says.
    let sums = stride(from: 0, to: trace.routingWeights.count, by: 6).map { row in
      trace.routingWeights[row..<row + 6].reduce(0, +)
    }
    #expect(sums.min()! > 0.13 && sums.max()! < 1.01)
  }

  @Test func aTraceSurvivesWritingAndReading() throws {
    let trace = try Fixtures.smallTrace(weights: (0..<12).map { Float($0) / 8 })
    let read = try RoutingTrace(
      file: SafetensorsFile(bytes: trace.safetensors().encoded(), name: "small"), name: "small")
    #expect(read == trace)
  }

  @Test func weightsAndSequencesMayBeAbsent() throws {
    let trace = try container(metadata: metadata, ids: .i32)
    #expect(trace.routingWeights == Array(repeating: 0.5, count: 12))
    #expect(trace.sequenceLengths == [3])
    #expect(trace.sequenceOfToken == [0, 0, 0])
  }

  @Test(arguments: [SafetensorsFile.ElementType.u8, .i16, .i32])
  func idsOfEveryAcceptedTypeAreTheSame(type: SafetensorsFile.ElementType) throws {
    #expect(try container(metadata: metadata, ids: type).expertIndices == Fixtures.smallIDs)
  }

  #if !(os(macOS) && arch(x86_64))
    @Test func everyHalfPrecisionWeightIsDecodedExactly() throws {
      let halves = (UInt16(0)..<0x7c00).map { $0 }
      let shape = [halves.count, 1, 1]
      let file = SafetensorsFile(
        contents: [
          .init(
            name: "expert_ids", elementType: .u8, shape: shape,
            values: halves.map { _ in UInt8(0) }),
          .init(name: "expert_weights", elementType: .f16, shape: shape, values: halves),
        ],
        metadata: [
          "format": "epsim-routing-trace", "version": "1", "experts": "1", "first_layer": "0",
        ])
      let trace = try RoutingTrace(file: file, name: "halves")
      #expect(trace.routingWeights == halves.map { Float(Float16(bitPattern: $0)) })
    }

    @Test(arguments: [Float16.infinity, .nan, -.leastNonzeroMagnitude, -1])
    func halfPrecisionWeightsThatAreNoWeightsAreRefused(weight: Float16) {
      expectInputError("weight", "token 0, layer 0, slot 0", "finite") {
        let file = SafetensorsFile(
          contents: [
            .init(name: "expert_ids", elementType: .u8, shape: [1, 1, 1], values: [UInt8(0)]),
            .init(
              name: "expert_weights", elementType: .f16, shape: [1, 1, 1],
              values: [weight.bitPattern]),
          ],
          metadata: [
            "format": "epsim-routing-trace", "version": "1", "experts": "1", "first_layer": "0",
          ])
        _ = try RoutingTrace(file: file, name: "bad")
      }
    }
  #endif

  @Test func wrongIdsAreNamedWithTheirPlace() {
    var ids = Fixtures.smallIDs
    ids[7] = 4  // token 1, second layer, second slot
    expectInputError("expert id 4", "token 1, layer 2, slot 1", "0...3") {
      _ = try Fixtures.smallTrace(ids: ids)
    }
    ids[7] = -1
    expectInputError("expert id -1", "token 1, layer 2, slot 1") {
      _ = try Fixtures.smallTrace(ids: ids)
    }
    ids[7] = ids[6]
    expectInputError("expert id 1", "token 1, layer 2, slot 1", "twice", "2 distinct") {
      _ = try Fixtures.smallTrace(ids: ids)
    }
  }

  @Test(arguments: [Float.nan, -.nan, .infinity, -.infinity, -0.5])
  func wrongWeightsAreNamedWithTheirPlace(weight: Float) {
    var weights = Array(repeating: Float(0.5), count: 12)
    weights[8] = weight
    expectInputError("weight", "token 2, layer 1, slot 0") {
      _ = try Fixtures.smallTrace(weights: weights)
    }
  }

  @Test func wrongSizesAreRefused() {
    expectInputError("top-k 5 of 4") { _ = try Fixtures.smallTrace(topK: 5) }
    expectInputError("top-k 0") { _ = try Fixtures.smallTrace(topK: 0) }
    expectInputError("0 experts") { _ = try Fixtures.smallTrace(experts: 0) }
    expectInputError("experts, accepted") { _ = try Fixtures.smallTrace(experts: .max) }
    expectInputError("0 layers") { _ = try Fixtures.smallTrace(layers: 0) }
    expectInputError("layers from layer -1") { _ = try Fixtures.smallTrace(firstLayer: -1) }
    expectInputError("at least one token") { _ = try Fixtures.smallTrace(lengths: nil, ids: []) }
    expectInputError("11 expert ids") { _ = try Fixtures.smallTrace(ids: Array(1...11)) }
    expectInputError("2 weights") { _ = try Fixtures.smallTrace(weights: [1, 1]) }
    expectInputError("sequence 1", "length 2", "1...1") {
      _ = try Fixtures.smallTrace(lengths: [2, 2])
    }
    expectInputError("sequence 0", "length 0") { _ = try Fixtures.smallTrace(lengths: [0, 3]) }
    expectInputError("2 tokens together", "3") { _ = try Fixtures.smallTrace(lengths: [1, 1]) }
    expectInputError("sequence 0", "length -9223372036854775808") {
      _ = try Fixtures.smallTrace(lengths: [.min, 3])
    }
  }

  @Test func foreignOrContradictoryFilesAreRefused() throws {
    func expect(_ words: String, changing key: String, to value: String?) {
      expectInputError(words) {
        var metadata = self.metadata
        metadata[key] = value
        _ = try container(metadata: metadata, ids: .i32)
      }
    }
    expect("another kind", changing: "format", to: "pt")
    expect("another kind", changing: "format", to: nil)
    expect("version 2", changing: "version", to: "2")
    expect("no experts", changing: "experts", to: nil)
    expect("experts \"four\"", changing: "experts", to: "four")
    expect("experts \"9223372036854775808\"", changing: "experts", to: "9223372036854775808")
    expect("top_k 3", changing: "top_k", to: "3")
    expect("layers 26", changing: "layers", to: "26")
    expect("no first_layer", changing: "first_layer", to: nil)
    expectInputError("expert_ids is missing") {
      _ = try RoutingTrace(
        file: SafetensorsFile(contents: [], metadata: metadata), name: "empty")
    }
    expectInputError("dtype F32") { _ = try container(metadata: metadata, ids: .f32) }
    expectInputError("shapes of 3 sizes") {
      _ = try container(metadata: metadata, ids: .i32, shape: [3, 4])
    }
    expectInputError("at least 1") {
      _ = try RoutingTrace(
        file: SafetensorsFile(
          contents: [
            .init(name: "expert_ids", elementType: .i32, shape: [3, 2, 0], values: [Int32]())
          ], metadata: metadata), name: "no choices")
    }
  }

  private let metadata = [
    "format": "epsim-routing-trace", "version": "1", "experts": "4", "top_k": "2", "layers": "2",
    "first_layer": "1",
  ]

  private func container(
    metadata: [String: String], ids type: SafetensorsFile.ElementType, shape: [Int] = [3, 2, 2]
  ) throws -> RoutingTrace {
    let ids = Fixtures.smallIDs
    let content: SafetensorsFile.Content =
      switch type {
      case .u8:
        .init(name: "expert_ids", elementType: type, shape: shape, values: ids.map { UInt8($0) })
      case .i16:
        .init(name: "expert_ids", elementType: type, shape: shape, values: ids.map { Int16($0) })
      default: .init(name: "expert_ids", elementType: type, shape: shape, values: ids)
      }
    return try RoutingTrace(
      file: SafetensorsFile(contents: [content], metadata: metadata), name: "container")
  }
}
