// SPDX-License-Identifier: Apache-2.0
// epsim: the transfer of a dispatch against a ping-pong of the same bytes in the same launch.

import CostModel
import ExpertParallel
import Foundation
import MPI
import MoE
import Placement
import TestSupport
import Testing
import Timing
import Workloads

/// Runs in the two ranks of an emulated cluster, one on each node, where the wire is slow enough
/// to be what takes the time.
@Suite("Wire with known truth", .serialized) @MainActor
struct WireTruthTests {
  private nonisolated static let isRank =
    ProcessInfo.processInfo.environment["EPSIM_TEST_WIRE_TRUTH"] != nil

  /// Rows of 4 KiB, of which half leave the node: some 16 MiB in either direction.
  private static let model = ModelShape(
    name: "wire", source: "test", hiddenSize: 1024, expertFFNSize: 8, expertCount: 4, topK: 2,
    sharedExpertCount: 0, layerCount: 1, denseLayerCount: 0, denseFFNSize: 8, vocabularySize: 0,
    attention: [], expertGroupCount: 1, router: RouterRule(score: .softmax, renormalises: true))

  @Test(
    "[transfer, total] of a dispatch contains the bytes at the rate of a ping-pong, within 15 %",
    .enabled(if: isRank, "runs in the ranks of an emulated cluster"))
  func ranks() throws {
    let world = SharedMPI.world
    try #require(world.size == 2)
    var scenario = Scenario(
      model: Self.model, layers: [0], tokens: 8192, steps: 5, warmup: 2,
      workload: UniformWorkload(expertCount: 4, topK: 2, seed: 5))
    scenario.compute = .none

    let result = try scenario.run(ranks: 2)
    let rowBytes = 4 * Self.model.hiddenSize
    // The larger of the two directions, from the counters of the run.
    let largest = result.map { result in
      let matrix = result.cases[0][0].traffic[0].layer(0).raw
      return max(matrix[0, 1], matrix[1, 0]) * rowBytes
    }
    let bytes = try world.broadcast([largest ?? 0], root: 0)[0]
    try expectOnAllRanks(bytes >= 8 << 20, "\(bytes) bytes")
    let pingPong = try time(ofExchanging: bytes)

    guard let timeline = result?.cases[0][0].timeline else { return }
    let steps = (0..<timeline.stepCount).map { timeline.times(of: .dispatch, step: $0) }
    let transfer = Estimate(steps.map { $0.map(\.transfer).max()! }).median
    let total = Estimate(steps.map { $0.map(\.total).max()! }).median
    print(
      "truth: \(bytes) bytes each way, ping-pong \(Int(pingPong)) us,",
      "dispatch [\(Int(transfer)), \(Int(total))] us")
    #expect(0.85 * transfer <= pingPong && pingPong <= 1.15 * total)
  }

  /// Median time of sending so many bytes both ways at once, microseconds.
  private func time(ofExchanging byteCount: Int) throws -> Double {
    let world = SharedMPI.world
    // Touched beforehand, like the buffers of a run.
    let sent = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 64)
    let received = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 64)
    defer {
      sent.deallocate()
      received.deallocate()
    }
    for buffer in [sent, received] { buffer.initializeMemory(as: UInt8.self, repeating: 1) }
    var times: [Double] = []
    for round in 0..<9 {
      try world.barrier()
      let start = MonotonicClock.now()
      let count = try world.sendReceive(
        UnsafeRawBufferPointer(sent), to: 1 - world.rank, into: received, from: 1 - world.rank)
      let own = try world.allReduce(Double(MonotonicClock.now() - start) / 1000, .max)
      #expect(count == byteCount)
      // The first ones open the connection and its window.
      if round >= 2 { times.append(own) }
    }
    return Estimate(times).median
  }
}
