// SPDX-License-Identifier: Apache-2.0
// epsim: how many tokens some experts can serve completely, at most.

internal import CostModel
internal import Workloads

/// Upper bounds on the tokens of a node all of whose experts are among k chosen ones.
///
/// A token of m experts counts 1/m with each of them, so that the chosen experts serve no more than
/// their sums together. The same holds among the tokens of one expert, for its k - 1 companions:
/// every further depth is at least as tight, and costs E times as much.
/// Tokens that the experts of a node do not cover must leave it: what traffic cannot go below,
/// whatever the placement. Local.
struct CoverBound {
  /// Tokens of the node.
  let tokenCount: Double
  private let expertCount: Int
  private let tokens: [Token]

  private struct Token {
    var experts: ArraySlice<Int32>
    var weight: Double
  }

  init(_ windows: [RoutingBundles], node: Int, topology: Topology) {
    expertCount = windows[0].expertCount
    var tokens: [Token] = []
    for bundles in windows {
      for (bundle, source) in bundles.sources.enumerated()
      where topology.nodeOfRank[Int(source)] == node {
        tokens.append(
          Token(
            experts: bundles.experts(ofBundle: bundle),
            weight: Double(bundles.multiplicities[bundle])))
      }
    }
    self.tokens = tokens
    tokenCount = tokens.reduce(0) { $0 + $1.weight }
  }

  /// [E] what each expert adds at most to the covered tokens, beside `count` - 1 others.
  func savings(coveredBy count: Int, depth: Int) -> [Double] {
    savings(tokens, coveredBy: count, beside: [], depth: depth)
  }

  /// - Parameter chosen: experts that every token has, and that are chosen already.
  private func savings(
    _ tokens: [Token], coveredBy count: Int, beside chosen: [Int32], depth: Int
  ) -> [Double] {
    var sums = Array(repeating: 0.0, count: expertCount)
    var tokensOfExpert = Array(repeating: [Token](), count: depth > 1 ? expertCount : 0)
    for token in tokens {
      let open = token.experts.count - chosen.count
      guard open > 0, open <= count else { continue }
      var share = token
      share.weight /= Double(open)
      for expert in token.experts where !chosen.contains(expert) {
        if depth > 1 {
          tokensOfExpert[Int(expert)].append(share)
        } else {
          sums[Int(expert)] += share.weight
        }
      }
    }
    guard depth > 1 else { return sums }
    for expert in sums.indices where !tokensOfExpert[expert].isEmpty {
      let beside = chosen + [Int32(expert)]
      let others = savings(
        tokensOfExpert[expert], coveredBy: count - 1, beside: beside, depth: depth - 1)
      let done = tokensOfExpert[expert].reduce(0.0) {
        $1.experts.count == beside.count ? $0 + $1.weight : $0
      }
      sums[expert] = done + others.sorted(by: >).prefix(count - 1).reduce(0, +)
    }
    return sums
  }
}
