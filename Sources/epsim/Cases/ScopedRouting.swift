// SPDX-License-Identifier: Apache-2.0
// epsim: even routing inside nodes, between nodes or everywhere, for calibration.

internal import CostModel
internal import MoE
internal import Workloads

/// Tokens choose in turn among the experts of some ranks, so that all of them get equally many.
///
/// For contiguous placement of equal shares, and tokens dealt by ``rankOfPosition(tokens:)``.
struct ScopedRouting: RoutingSource {
  /// Which ranks the choices of a rank's tokens go to.
  enum Scope: String, CaseIterable {
    /// Those of its node, its own included.
    case inside
    /// Those of other nodes.
    case between
    /// From the first rank of every node to the first ranks of the others; all others are idle.
    case pairs
    /// All.
    case everywhere
  }

  let scope: Scope
  let expertCount: Int
  let topK: Int
  /// Tokens of a rank, step by step, taken in turn.
  let tokensPerRank: [Int]
  /// The ranks that have tokens, ascending.
  let senders: [Int]
  /// [senders] experts that the tokens of each choose among.
  private let experts: [[Int32]]

  var name: String { scope.rawValue }

  /// - Precondition: R divides E, and at least K experts are in scope of every sender.
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
    let firsts = topology.firstRankOfNode
    senders = scope == .pairs ? firsts : Array(0..<ranks)
    experts = senders.map { source in
      (0..<ranks).filter {
        switch scope {
        case .inside: nodes[$0] == nodes[source]
        case .between: nodes[$0] != nodes[source]
        case .pairs: $0 != source && firsts.contains($0)
        case .everywhere: true
        }
      }.flatMap { ($0 * share..<($0 + 1) * share).map { Int32($0) } }
    }
    precondition(experts.allSatisfy { $0.count >= topK }, "top-\(topK) of too few experts")
  }

  /// The rank of each position of a step with so many tokens a sender.
  func rankOfPosition(tokens: Int) -> [Int32] {
    senders.flatMap { repeatElement(Int32($0), count: tokens) }
  }

  func hasLayer(_ layer: Int) -> Bool { true }

  func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    let tokens = tokensPerRank[step % tokensPerRank.count]
    for row in 0..<positions.count {
      let (sender, token) = Int(positions[row]).quotientAndRemainder(dividingBy: tokens)
      let choices = experts[sender]
      for choice in 0..<topK {
        let index = row * topK + choice
        // Senders begin at different experts, or few rows would all go to the same.
        let first = sender * choices.count / experts.count
        let turn = (first + token * topK + choice) % choices.count
        decision.expertIndices[index] = choices[turn]
        decision.routingWeights[index] = 1 / Float(topK)
      }
    }
  }
}
