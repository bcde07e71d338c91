// SPDX-License-Identifier: Apache-2.0
// epsim: copies that make a token's experts live on few ranks.

internal import MoE

extension ReplicaTable {
  /// Covers each token's experts with few ranks: what its own rank holds, then rank by rank on its
  /// node, then rank by rank anywhere, each time the rank that holds most of what is left.
  ///
  /// Ties: a node that the token goes to already, then a lot drawn by (layer, source rank, token,
  /// rank), so that ranks alike are used alike. Greedy set cover: at most 1 + ln K times the fewest
  /// ranks of each of its three steps (Chvatal, 1979).
  func cover(
    _ decision: borrowing RoutingDecision, _ slots: UnsafeMutableBufferPointer<Int32>,
    _ workspace: ChoiceWorkspace
  ) {
    workspace.lastToken.update(repeating: 0)
    decision.expertIndices.withUnsafeBufferPointer { experts in
      for token in 0..<decision.tokenCount {
        let choices = token * decision.topK..<(token + 1) * decision.topK
        for index in choices {
          precondition(
            experts[index] == RoutingDecision.dropped
              || experts[index] >= 0 && experts[index] < expertCount,
            "expert \(experts[index]) of \(expertCount)")
          slots[index] = RoutingDecision.dropped
        }
        serve(on: Int32(sourceRank), token, choices, experts, slots, workspace)
        for onNode in [true, false] {
          while let rank = best(token, choices, experts, slots, workspace, onNode: onNode) {
            serve(on: rank, token, choices, experts, slots, workspace)
          }
        }
      }
    }
  }

  /// Gives a rank all that it can serve of what is left.
  private func serve(
    on rank: Int32, _ token: Int, _ choices: Range<Int>, _ experts: UnsafeBufferPointer<Int32>,
    _ slots: UnsafeMutableBufferPointer<Int32>, _ workspace: ChoiceWorkspace
  ) {
    for index in choices where isLeft(index, experts, slots) {
      for candidate in candidates(of: experts[index]) where ranks[candidate] == rank {
        slots[index] = candidates[candidate]
        workspace.lastToken[Int(nodes[candidate])] = Int32(token + 1)
        break
      }
    }
  }

  /// The rank that holds most of what is left; nil when no allowed rank holds any.
  private func best(
    _ token: Int, _ choices: Range<Int>, _ experts: UnsafeBufferPointer<Int32>,
    _ slots: UnsafeMutableBufferPointer<Int32>, _ workspace: ChoiceWorkspace, onNode: Bool
  ) -> Int32? {
    let covered = workspace.covered
    for index in choices where isLeft(index, experts, slots) {
      var last: Int32 = -1
      for candidate in candidates(of: experts[index])
      where !onNode || nodes[candidate] == sourceNode {
        // Two slots on a rank are neighbours and count once.
        if ranks[candidate] != last { covered[Int(ranks[candidate])] += 1 }
        last = ranks[candidate]
      }
    }
    var best: (covered: Int32, visited: Int, lot: UInt64, rank: Int32)?
    for index in choices where isLeft(index, experts, slots) {
      for candidate in candidates(of: experts[index]) where covered[Int(ranks[candidate])] > 0 {
        let rank = ranks[candidate]
        let found = (
          covered: covered[Int(rank)],
          visited: workspace.lastToken[Int(nodes[candidate])] == Int32(token + 1) ? 1 : 0,
          lot: draws.bits(at: UInt64(token * rankCount + Int(rank))), rank: rank
        )
        covered[Int(rank)] = 0
        if let best, best >= found { continue }
        best = found
      }
    }
    return best?.rank
  }

  private func isLeft(
    _ index: Int, _ experts: UnsafeBufferPointer<Int32>,
    _ slots: UnsafeMutableBufferPointer<Int32>
  ) -> Bool {
    slots[index] == RoutingDecision.dropped && experts[index] != RoutingDecision.dropped
  }

  private func candidates(of expert: Int32) -> Range<Int> {
    Int(offsets[Int(expert)])..<Int(offsets[Int(expert) + 1])
  }
}
