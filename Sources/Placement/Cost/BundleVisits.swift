// SPDX-License-Identifier: Apache-2.0
// epsim: the bundles that choose an expert, expert by expert.

internal import Workloads

/// A bundle that has an expert among its own.
struct BundleVisit: Sendable {
  var bundle: Int32
  /// Source rank.
  var source: Int32
  /// Tokens.
  var tokens: Int32
  /// Earlier bundles of the same source with this expert: copies serve bundles in turn.
  var turn: Int32
}

/// Routing by expert instead of by token: what a move of an expert touches.
struct BundleVisits: Sendable {
  let rankCount: Int
  let bundleCount: Int
  /// [E + 1] where the visits of each expert start.
  let offsets: [Int]
  /// By expert, then by bundle.
  let visits: [BundleVisit]
  /// [E, R] assignments of each source to each expert.
  let sourceCounts: [Int]
  /// [B, words] a bit for each expert of a bundle.
  let members: [UInt64]
  let wordsPerBundle: Int
  /// [R] assignments of each source.
  let assignments: [Int]

  init(_ bundles: RoutingBundles) { self.init(windows: [bundles]) }

  /// The bundles of several windows, one after the other.
  /// - Precondition: at least one window, all of equal R and E.
  init(windows: [RoutingBundles]) {
    rankCount = windows[0].rankCount
    bundleCount = windows.reduce(0) { $0 + $1.count }
    let (ranks, experts) = (windows[0].rankCount, windows[0].expertCount)
    var counts = Array(repeating: 0, count: experts)
    for bundles in windows { for expert in bundles.experts { counts[Int(expert)] += 1 } }
    let offsets = counts.reduce(into: [0]) { $0.append($0.last! + $1) }
    var next = offsets
    var turns = Array(repeating: Int32(0), count: experts * ranks)
    var sums = Array(repeating: 0, count: experts * ranks)
    var visits = Array(
      repeating: BundleVisit(bundle: 0, source: 0, tokens: 0, turn: 0), count: offsets.last!)
    let words = (experts + 63) / 64
    var members = Array(repeating: UInt64(0), count: bundleCount * words)
    var first = 0
    for bundles in windows {
      for bundle in 0..<bundles.count {
        let (source, tokens) = (bundles.sources[bundle], bundles.multiplicities[bundle])
        for expert in bundles.experts(ofBundle: bundle) {
          let cell = Int(expert) * ranks + Int(source)
          visits[next[Int(expert)]] = BundleVisit(
            bundle: Int32(first + bundle), source: source, tokens: tokens, turn: turns[cell])
          next[Int(expert)] += 1
          members[(first + bundle) * words + Int(expert) / 64] |= 1 << (UInt64(expert) % 64)
          turns[cell] += 1
          sums[cell] += Int(tokens)
        }
      }
      first += bundles.count
    }
    self.offsets = offsets
    self.visits = visits
    (self.members, wordsPerBundle) = (members, words)
    sourceCounts = sums
    assignments = (0..<ranks).map { source in
      (0..<experts).reduce(0) { $0 + sums[$1 * ranks + source] }
    }
  }

  /// [E] assignments of each expert.
  var load: [Int] {
    (0..<offsets.count - 1).map { expert in
      sourceCounts[expert * rankCount..<(expert + 1) * rankCount].reduce(0, +)
    }
  }

  /// The visits of an expert.
  func range(of expert: Int) -> Range<Int> { offsets[expert]..<offsets[expert + 1] }
}
