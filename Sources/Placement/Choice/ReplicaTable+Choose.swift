// SPDX-License-Identifier: Apache-2.0
// epsim: the slot of every assignment of a batch.

public import MoE

extension ReplicaTable {
  /// Picks the slot of every assignment of a batch. Does not allocate.
  ///
  /// Shapes: `slots` [T, K] physical slots, a dropped assignment stays dropped.
  /// - Parameter workspace: of the placement's sizes; its shares are used up where the rule needs
  ///   counts.
  /// - Precondition: the shapes fit, every expert of the batch is below E, and shares are those of
  ///   the batch.
  public func choose(
    _ decision: borrowing RoutingDecision, into slots: UnsafeMutableBufferPointer<Int32>,
    _ workspace: ChoiceWorkspace
  ) {
    precondition(
      slots.count == decision.tokenCount * decision.topK
        && workspace.uses.count >= expertCount && workspace.covered.count >= rankCount,
      "\(slots.count) slots for \(decision.tokenCount) tokens and \(decision.topK) choices, "
        + "\(workspace.uses.count) counters for \(expertCount) experts")
    let (source, uses, width) = (UInt64(sourceRank), workspace.uses, decision.topK)
    switch choice {
    case .expertRoundRobin, .nearest:
      uses.update(repeating: 0)
      forEach(decision, slots) { _, expert, copies in
        defer { uses[expert] += 1 }
        return (UInt64(uses[expert]) + source) % copies
      }
    case .tokenHash:
      forEach(decision, slots) { index, _, copies in
        // Knuth, The Art of Computer Programming 3, 6.4: 2^32 by the golden ratio.
        UInt64(UInt32(truncatingIfNeeded: index / width) &* 2_654_435_769) % copies
      }
    case .flatModulo:
      forEach(decision, slots) { index, _, copies in UInt64(index) % copies }
    case .rankStatic:
      forEach(decision, slots) { _, _, copies in source % copies }
    case .random:
      forEach(decision, slots) { [draws] index, _, copies in
        draws.bits(at: UInt64(index)).multipliedFullWidth(by: copies).high
      }
    case .tieredRoundRobin, .minMaxSplit, .localSplit, .fewestActive:
      takeShares(decision, slots, workspace)
    case .setCover:
      cover(decision, slots, workspace)
    }
  }

  /// Fills in the slots, asking which copy it shall be where there are several.
  @inline(__always)
  private func forEach(
    _ decision: borrowing RoutingDecision, _ slots: UnsafeMutableBufferPointer<Int32>,
    copy: (_ index: Int, _ expert: Int, _ copies: UInt64) -> UInt64
  ) {
    decision.expertIndices.withUnsafeBufferPointer { experts in
      offsets.withUnsafeBufferPointer { offsets in
        candidates.withUnsafeBufferPointer { candidates in
          for index in experts.indices {
            guard experts[index] != RoutingDecision.dropped else {
              slots[index] = RoutingDecision.dropped
              continue
            }
            let expert = Int(experts[index])
            precondition(expert >= 0 && expert < expertCount, "expert \(expert) of \(expertCount)")
            let start = Int(offsets[expert])
            let copies = Int(offsets[expert + 1]) - start
            let chosen = copies > 1 ? Int(copy(index, expert, UInt64(copies))) : 0
            slots[index] = candidates[start + chosen]
          }
        }
      }
    }
  }

  /// Each copy takes its share, lowest slot first.
  private func takeShares(
    _ decision: borrowing RoutingDecision, _ slots: UnsafeMutableBufferPointer<Int32>,
    _ workspace: ChoiceWorkspace
  ) {
    let (next, shares) = (workspace.uses, workspace.shares)
    next.update(repeating: 0)
    forEach(decision, slots) { _, expert, copies in
      let start = Int(offsets[expert])
      while shares[Int(candidates[start + Int(next[expert])])] == 0 {
        next[expert] += 1
        precondition(next[expert] < copies, "expert \(expert) has more assignments than shares")
      }
      shares[Int(candidates[start + Int(next[expert])])] -= 1
      return UInt64(next[expert])
    }
  }
}
