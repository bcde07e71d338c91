// SPDX-License-Identifier: Apache-2.0
// epsim: choosing copies from the counts of all ranks, per layer.

import CostModel
import MPI
import MoE
import Placement
import Reporting
import Timing
import Workloads

/// Choosing the copies of a rank's tokens, solving the whole batch where the rule asks for it,
/// against a bound of 1 ms per layer.
///
/// 256 experts on 32 ranks of 4 nodes, 64 extra slots placed by global EPLB on one batch, chosen
/// from on another: 128 tokens per rank that choose 8 experts each by a Zipf law.
struct ChoiceBench {
  private let topology = Topology(ranks: 32, nodes: 4)
  private let tokensPerRank = 128
  private let bound = 1e-3

  func run(on comm: borrowing Communicator) throws -> [BenchResult] {
    let source = ZipfWorkload(exponent: 0.8, expertCount: 256, topK: 8, layerCount: 1, seed: 3)
    let tokens = tokensPerRank * topology.rankCount
    let load = LoadHistogram(source: source, layers: [0], steps: 0..<1, windowSize: tokens)
    let placement = try EPLBPlacement(policy: .global).place(
      PlacementProblem(load: load, topology: topology, extraSlots: 64), name: "eplb+64")
    let bundles = RoutingBundles(
      source: source, layer: 0, steps: 1..<2, rankCount: topology.rankCount
    ) { _ in
      (0..<tokens).map { Int32($0 / tokensPerRank) }
    }
    let counts = bundles.sourceCounts.map { Int32($0) }
    var decision = RoutingDecision(tokenCount: tokensPerRank, topK: source.topK)
    let positions = (0..<Int32(tokensPerRank)).map { $0 }
    source.route(layer: 0, step: 1, positions: positions.span, into: &decision)
    let slots = UnsafeMutableBufferPointer<Int32>.allocate(capacity: decision.expertIndices.count)
    defer { slots.deallocate() }
    let workspace = ChoiceWorkspace(placement: placement, nodeCount: topology.nodeCount)
    return try ReplicaChoice.allCases.map { choice in
      let table = ReplicaTable(
        placement: placement, layerRow: 0, sourceRank: 0, topology: topology, choice: choice)
      let shares = BatchShares(
        placement: placement, layerRow: 0, topology: topology, choice: choice)
      let times = try InterleavedTimer(repetitions: 51).run(
        [
          {
            counts.withUnsafeBufferPointer { counts in
              shares?.solve(counts)
              shares?.fill(workspace.shares, ofSource: 0, counts)
            }
            table.choose(decision, into: slots, workspace)
          }
        ], on: comm)
      let chosen = Estimate(times[0]).median
      func text(_ seconds: Double) -> String { Quantity.significant(seconds * 1e6) + " us" }
      return BenchResult(
        name: "replica choice \(choice.rawValue), 256 experts, 320 slots, 32 ranks",
        measured: text(chosen), limit: text(bound), share: Quantity.percent(chosen / bound, 2),
        bound: "at most the limit", holds: chosen <= bound)
    }
  }
}
