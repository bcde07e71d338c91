// SPDX-License-Identifier: Apache-2.0
// epsim: how many tokens some experts can serve completely, at most.

internal import Workloads

/// Upper bounds on the tokens all of whose experts are among k chosen ones.
///
/// A token of m experts counts 1/m with each of them, so that k experts serve no more than the k
/// largest such sums together. The same holds among the tokens of one expert, for its k - 1
/// companions: every further depth is at least as tight, and costs E times as much.
/// Tokens that no set of k experts covers must leave the place that has room for k: what traffic
/// cannot go below, whatever the placement. Local.
struct CoverBound {
  private let bundles: RoutingBundles

  init(_ bundles: RoutingBundles) { self.bundles = bundles }

  /// Tokens of some sources that `count` experts can cover.
  func tokens(ofSources sources: Set<Int>, coveredBy count: Int, depth: Int) -> Double {
    let own = (0..<bundles.count).filter { sources.contains(Int(bundles.sources[$0])) }
    return covered(
      own.map { (bundle: $0, weight: Double(bundles.multiplicities[$0])) }, by: count,
      beside: [], depth: depth)
  }

  /// - Parameter chosen: experts that every bundle has, and that are chosen already.
  private func covered(
    _ tokens: [(bundle: Int, weight: Double)], by count: Int, beside chosen: [Int32], depth: Int
  ) -> Double {
    var done = 0.0
    var sums = Array(repeating: 0.0, count: bundles.expertCount)
    var tokensOfExpert = Array(
      repeating: [(bundle: Int, weight: Double)](), count: depth > 1 ? bundles.expertCount : 0)
    for (bundle, weight) in tokens {
      let experts = bundles.experts(ofBundle: bundle)
      let open = experts.count - chosen.count
      if open == 0 { done += weight }
      guard open > 0, open <= count else { continue }
      for expert in experts where !chosen.contains(expert) {
        if depth > 1 {
          tokensOfExpert[Int(expert)].append((bundle, weight / Double(open)))
        } else {
          sums[Int(expert)] += weight / Double(open)
        }
      }
    }
    if depth > 1 {
      for expert in sums.indices where !tokensOfExpert[expert].isEmpty {
        sums[expert] = covered(
          tokensOfExpert[expert], by: count - 1, beside: chosen + [Int32(expert)],
          depth: depth - 1)
      }
    }
    return done + sums.sorted(by: >).prefix(count).reduce(0, +)
  }
}
