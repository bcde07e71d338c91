// SPDX-License-Identifier: Apache-2.0
// epsim: tests of batches that are larger than their trace.

import MoE
import Testing
import Workloads

@Suite struct ResampledTraceTests {
  /// Token t chooses expert t, so that a decision tells the token.
  private func trace(_ sequences: [Int]) throws -> RoutingTrace {
    let count = sequences.reduce(0, +)
    return try RoutingTrace(
      name: "numbers",
      origin: .init(model: "m", domain: "d", source: "s", license: "l"),
      expertCount: count, topK: 1, layerCount: 1, firstLayer: 3, sequenceLengths: sequences,
      expertIndices: (0..<count).map { Int32($0) })
  }

  private func tokens(_ source: ResampledTrace, step: Int, count: Int) -> [Int] {
    var decision = RoutingDecision(tokenCount: count, topK: 1)
    let positions = (0..<count).map { Int32($0) }
    source.route(layer: 3, step: step, positions: positions.span, into: &decision)
    return decision.expertIndices.map(Int.init)
  }

  @Test func runsFollowTheirSequence() throws {
    let source = ResampledTrace(trace: try trace([10, 200, 50]), tokens: 5..<240, seed: 3)
    let judged = [5..<10, 10..<210, 210..<240]
    let length = ResampledTrace.runLength
    let drawn = tokens(source, step: 0, count: 40 * length)
    for run in 0..<40 {
      let part = drawn[run * length..<(run + 1) * length]
      let sequence = try #require(judged.first { $0.contains(part.first!) })
      for (token, next) in zip(part, part.dropFirst()) {
        #expect(next == (token + 1 == sequence.upperBound ? sequence.lowerBound : token + 1))
      }
    }
    // All sequences are drawn from, and every one begins where chance says.
    #expect(Set(judged.indices.filter { judged[$0].contains(where: drawn.contains) }).count == 3)
  }

  @Test func theBatchDependsOnSeedStepAndPositionAlone() throws {
    let trace = try trace([300])
    let source = ResampledTrace(trace: trace, tokens: 0..<300, seed: 1)
    let long = tokens(source, step: 2, count: 1000)
    #expect(Array(long[..<70]) == tokens(source, step: 2, count: 70))
    #expect(long != tokens(source, step: 3, count: 1000))
    #expect(
      long != tokens(ResampledTrace(trace: trace, tokens: 0..<300, seed: 2), step: 2, count: 1000))
  }

  @Test func loadsAreThoseOfTheTrace() throws {
    let source = ResampledTrace(trace: try trace([64, 64, 64, 64]), tokens: 0..<256, seed: 9)
    let drawn = tokens(source, step: 0, count: 1 << 17)
    let counts = drawn.reduce(into: Array(repeating: 0, count: 256)) { $0[$1] += 1 }
    // 512 expected; runs of 64 come together, so a count varies as that of its sequence's runs do:
    // 2048 runs at 1/4 have a deviation of 20, within the sequence all are alike.
    #expect(counts.allSatisfy { abs($0 - 512) < 5 * 20 })
  }
}
