// SPDX-License-Identifier: Apache-2.0
// epsim: routing between neighbouring ranks only, for calibration.

internal import MoE
internal import Workloads

/// A token chooses K consecutive experts, beginning at a random one of its own rank or of the next:
/// half of the choices stay, and a rank has one or two partners.
///
/// For block assignment and contiguous placement of equal shares.
struct NeighbourRouting: RoutingSource {
  let name = "neighbours"
  let expertCount: Int
  let topK: Int
  let rankCount: Int
  let tokensPerRank: Int
  let seed: UInt64

  func hasLayer(_ layer: Int) -> Bool { true }

  func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    let random = CounterRandom(seed: seed, 0x4E_1B, UInt64(step), UInt64(layer))
    for row in 0..<positions.count {
      let position = Int(positions[row])
      let bits = random.bits(at: UInt64(position))
      let rank = (position / tokensPerRank + Int(bits & 1)) % rankCount
      let first = rank * expertCount / rankCount
      let share = max(1, (rank + 1) * expertCount / rankCount - first)
      let start = first + Int((bits >> 1) % UInt64(share))
      for choice in 0..<topK {
        let index = row * topK + choice
        decision.expertIndices[index] = Int32((start + choice) % expertCount)
        decision.routingWeights[index] = 1 / Float(topK)
      }
    }
  }
}
