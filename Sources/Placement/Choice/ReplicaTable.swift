// SPDX-License-Identifier: Apache-2.0
// epsim: the copies that one source rank may use of each expert of a layer.

public import CostModel
public import MoE

/// A replica choice made ready for one source rank and one layer of a placement.
///
/// The choice is a pure function of the batch: it keeps no state. Where the rule needs the counts of
/// all ranks, ``BatchShares`` makes the rank's shares of them first.
public struct ReplicaTable: Sendable {
  /// The rule.
  public let choice: ReplicaChoice
  /// E, the logical experts.
  public let expertCount: Int
  /// R, the ranks.
  public let rankCount: Int
  /// The rank whose tokens are sent.
  public let sourceRank: Int

  /// [E + 1] where each expert's candidates start.
  let offsets: [Int32]
  /// Candidate slots of all experts, ascending within an expert.
  let candidates: [Int32]
  /// Rank and node of each candidate, for rules that look at them; else empty.
  let ranks: [Int32]
  let nodes: [Int32]
  /// Node of the source rank.
  let sourceNode: Int32
  /// What draws and lots are taken from.
  let draws: CounterRandom

  /// Keeps the candidates that the rule allows.
  /// - Precondition: the topology has the placement's ranks, and `sourceRank` is one of them.
  public init(
    placement: ExpertPlacement, layerRow: Int, sourceRank: Int, topology: Topology,
    choice: ReplicaChoice
  ) {
    precondition(
      topology.rankCount == placement.rankCount && (0..<topology.rankCount).contains(sourceRank),
      "source rank \(sourceRank) of \(topology.rankCount) ranks, placement for "
        + "\(placement.rankCount)")
    self.choice = choice
    expertCount = placement.expertCount
    rankCount = placement.rankCount
    self.sourceRank = sourceRank
    let node = topology.nodeOfRank[sourceRank]
    sourceNode = Int32(node)
    draws = CounterRandom(
      seed: 0xC01CE, UInt64(bitPattern: Int64(placement.layers[layerRow])), UInt64(sourceRank))
    let copies = placement.logicalToPhysical(layerRow: layerRow)
    if choice == .nearest {
      var offsets: [Int32] = [0]
      var candidates: [Int32] = []
      for expert in 0..<placement.expertCount {
        let all = copies.slots[copies.offsets[expert]..<copies.offsets[expert + 1]]
        let onRank = all.filter { placement.rank(ofSlot: Int($0)) == sourceRank }
        let onNode = all.filter { topology.nodeOfRank[placement.rank(ofSlot: Int($0))] == node }
        candidates += onRank.isEmpty ? (onNode.isEmpty ? Array(all) : onNode) : onRank
        offsets.append(Int32(candidates.count))
      }
      (self.offsets, self.candidates) = (offsets, candidates)
    } else {
      (offsets, candidates) = (copies.offsets.map { Int32($0) }, copies.slots)
    }
    let looksAtRanks = choice == .setCover
    ranks = looksAtRanks ? candidates.map { placement.rankOfSlot[Int($0)] } : []
    nodes = ranks.map { Int32(topology.nodeOfRank[Int($0)]) }
  }

  /// [E] how often each expert was chosen, dropped assignments left out. Does not allocate.
  /// - Precondition: `counts` has E entries, and every expert of the batch is below E.
  public static func count(
    _ decision: borrowing RoutingDecision, into counts: UnsafeMutableBufferPointer<Int32>
  ) {
    counts.update(repeating: 0)
    decision.expertIndices.withUnsafeBufferPointer { experts in
      for expert in experts where expert != RoutingDecision.dropped {
        precondition(expert >= 0 && expert < counts.count, "expert \(expert) of \(counts.count)")
        counts[Int(expert)] += 1
      }
    }
  }
}
