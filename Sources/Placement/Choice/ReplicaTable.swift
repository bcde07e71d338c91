// SPDX-License-Identifier: Apache-2.0
// epsim: the copies that one source rank may use of each expert of a layer.

public import CostModel
public import MoE

/// A replica choice made ready for one source rank and one layer of a placement.
///
/// The choice is a pure function of the batch: it needs no communication and keeps no state.
public struct ReplicaTable: Sendable, Equatable {
  /// E, the logical experts.
  public let expertCount: Int
  /// The rank whose tokens are sent.
  public let sourceRank: Int

  /// [E + 1] where each expert's candidates start.
  private let offsets: [Int32]
  /// Candidate slots of all experts, ascending within an expert.
  private let candidates: [Int32]

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
    expertCount = placement.expertCount
    self.sourceRank = sourceRank
    let copies = placement.logicalToPhysical(layerRow: layerRow)
    let node = topology.nodeOfRank[sourceRank]
    var offsets: [Int32] = [0]
    var candidates: [Int32] = []
    for expert in 0..<placement.expertCount {
      let all = copies.slots[copies.offsets[expert]..<copies.offsets[expert + 1]]
      switch choice {
      case .expertRoundRobin: candidates += all
      case .nearest:
        let onRank = all.filter { placement.rank(ofSlot: Int($0)) == sourceRank }
        let onNode = all.filter { topology.nodeOfRank[placement.rank(ofSlot: Int($0))] == node }
        candidates += onRank.isEmpty ? (onNode.isEmpty ? Array(all) : onNode) : onRank
      }
      offsets.append(Int32(candidates.count))
    }
    self.offsets = offsets
    self.candidates = candidates
  }

  /// Picks the slot of every assignment of a batch. Does not allocate.
  ///
  /// Shapes: `slots` [T, K] physical slots, a dropped assignment stays dropped; `uses` [E] scratch,
  /// overwritten.
  /// - Precondition: the shapes fit, and every expert of the batch is below E.
  public func choose(
    _ decision: borrowing RoutingDecision, into slots: UnsafeMutableBufferPointer<Int32>,
    uses: UnsafeMutableBufferPointer<Int32>
  ) {
    let count = decision.tokenCount * decision.topK
    precondition(
      slots.count == count && uses.count >= expertCount,
      "\(slots.count) slots for \(count) assignments, \(uses.count) counters for \(expertCount)")
    uses.update(repeating: 0)
    decision.expertIndices.withUnsafeBufferPointer { experts in
      offsets.withUnsafeBufferPointer { offsets in
        candidates.withUnsafeBufferPointer { candidates in
          for index in 0..<count {
            let expert = Int(experts[index])
            if experts[index] == RoutingDecision.dropped {
              slots[index] = RoutingDecision.dropped
              continue
            }
            precondition(expert >= 0 && expert < expertCount, "expert \(expert) of \(expertCount)")
            let start = offsets[expert]
            let copies = offsets[expert + 1] - start
            var copy: Int32 = 0
            if copies > 1 {
              copy = (uses[expert] + Int32(sourceRank)) % copies
              uses[expert] += 1
            }
            slots[index] = candidates[Int(start + copy)]
          }
        }
      }
    }
  }
}
