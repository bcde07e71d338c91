// SPDX-License-Identifier: Apache-2.0
// epsim: how fast a search evaluates placements.

import CostModel
import MPI
import MoE
import Placement
import Reporting
import Timing
import Workloads

/// Swaps evaluated on the time of a layer: 64 experts, 6 per token, 8 ranks on 2 nodes, 10^4 bundles.
struct SearchBench {
  private let swaps = 2000
  private let bound = 20_000.0

  func run(on comm: borrowing Communicator) throws -> [BenchResult] {
    try [0, 8].map { try run(extraSlots: $0, on: comm) }
  }

  private func run(extraSlots: Int, on comm: borrowing Communicator) throws -> BenchResult {
    let slots = 64 + extraSlots
    var cost = BundleCost(
      bundles, expertOfSlot: (0..<slots).map { Int32($0 % 64) },
      rankOfSlot: (0..<slots).map { $0 % 8 }, topology: Topology(ranks: 8, nodes: 2),
      prices: prices)
    let random = CounterRandom(seed: 2)
    var (best, position, updates) = (cost.time, UInt64(0), 0)
    let times = try InterleavedTimer(repetitions: 7).run(
      [
        {
          let before = cost.updateCount
          for _ in 0..<swaps {
            let pair = random.bits(at: position)
            position += 1
            best = min(
              best,
              cost.time(
                swapping: Int(pair % UInt64(slots)), with: Int(pair >> 32) % slots))
          }
          updates = cost.updateCount - before
        }
      ], on: comm)
    let time = Estimate(times[0]).median
    let rate = Double(swaps) / time
    func perSecond(_ rate: Double) -> String { Quantity.significant(rate / 1e3) + " k/s" }
    return BenchResult(
      name: "swaps evaluated, 10^4 bundles, \(extraSlots) replicas",
      measured: perSecond(rate),
      limit: Quantity.significant(Double(updates) / time / 1e6) + " M counters/s", share: "",
      bound: "at least \(perSecond(bound))", holds: rate >= bound)
  }

  private var bundles: RoutingBundles {
    let random = CounterRandom(seed: 1)
    var position: UInt64 = 0
    func draw() -> Int32 {
      position += 1
      return Int32(random.bits(at: position) % 64)
    }
    return RoutingBundles(
      rankCount: 8, expertCount: 64,
      tokens: (0..<10_000).map { token in
        var chosen: Set<Int32> = []
        while chosen.count < 6 { chosen.insert(min(draw(), draw())) }
        return (source: token % 8, experts: Array(chosen))
      })
  }

  private var prices: LayerPrices {
    LayerPrices(
      network: NetworkParameters(
        inside: LinkParameters(latency: .microseconds(1), bandwidth: .gigabytes(6)),
        between: LinkParameters(latency: .microseconds(20), bandwidth: .gigabytes(0.12)),
        ranksPerPort: 4),
      ranks: Array(
        repeating: RankParameters(
          efficiencies: [
            .init(rows: 1, rate: FlopsPerSecond(1e10)), .init(rows: 64, rate: FlopsPerSecond(1e11)),
          ], memory: .gigabytes(10), copies: .gigabytes(5)), count: 8),
      widths: ExpertWidths(hiddenSize: 2048, ffnSize: 1408), dedup: .node, hops: .summed,
      dispatchBytes: Bytes(4096), combineBytes: Bytes(8192), replicaChoice: .nearest)
  }
}
