// SPDX-License-Identifier: Apache-2.0
// epsim: even routing inside nodes, between nodes or everywhere, for calibration.

internal import CostModel
internal import MoE
internal import Workloads

/// Tokens choose in turn among the experts of some ranks, so that all of them get equally many.
///
/// For block assignment and contiguous placement of equal shares.
struct ScopedRouting: RoutingSource {
  /// Which ranks the choices of a rank's tokens go to.
  enum Scope: String, CaseIterable {
    /// Those of its node, its own included.
    case inside
    /// Those of other nodes.
    case between
    /// All.
    case everywhere
  }

  let scope: Scope
  let expertCount: Int
  let topK: Int
  /// Tokens of a rank, step by step, taken in turn.
  let tokensPerRank: [Int]
  /// [R] experts that the tokens of each rank choose among.
  private let experts: [[Int32]]

  var name: String { scope.rawValue }

  /// - Precondition: R divides E, and at least K experts are in scope of every rank.
  init(
    _ scope: Scope, expertCount: Int, topK: Int, tokensPerRank: [Int], topology: Topology
  ) {
    self.scope = scope
    self.expertCount = expertCount
    self.topK = topK
    self.tokensPerRank = tokensPerRank
    let (ranks, nodes) = (topology.rankCount, topology.nodeOfRank)
    precondition(expertCount % ranks == 0, "\(expertCount) experts on \(ranks) ranks")
    let share = expertCount / ranks
    experts = (0..<ranks).map { source in
      (0..<ranks).filter {
        switch scope {
        case .inside: nodes[$0] == nodes[source]
        case .between: nodes[$0] != nodes[source]
        case .everywhere: true
        }
      }.flatMap { ($0 * share..<($0 + 1) * share).map { Int32($0) } }
    }
    precondition(experts.allSatisfy { $0.count >= topK }, "top-\(topK) of too few experts")
  }

  func hasLayer(_ layer: Int) -> Bool { true }

  func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    let tokens = tokensPerRank[step % tokensPerRank.count]
    for row in 0..<positions.count {
      let (rank, token) = Int(positions[row]).quotientAndRemainder(dividingBy: tokens)
      let choices = experts[rank]
      for choice in 0..<topK {
        let index = row * topK + choice
        // Ranks begin at different experts, or few rows would all go to the same.
        let turn = (rank * choices.count / experts.count + token * topK + choice) % choices.count
        decision.expertIndices[index] = choices[turn]
        decision.routingWeights[index] = 1 / Float(topK)
      }
    }
  }
}
