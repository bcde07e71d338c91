// SPDX-License-Identifier: Apache-2.0
// epsim: which sets of experts the tokens of each rank choose, and how often.

internal import MoE

/// The tokens of a layer, compressed without loss for all that a placement changes: a bundle is a
/// source rank with a set of experts, and how many tokens it stands for.
///
/// Bundles ascend by source, then by their experts. Tokens without any assignment are left out.
public struct RoutingBundles: Sendable, Equatable {
  /// R.
  public let rankCount: Int
  /// E.
  public let expertCount: Int
  /// [B] source rank of each bundle.
  public private(set) var sources: [Int32] = []
  /// [B] tokens of each bundle.
  public private(set) var multiplicities: [Int32] = []
  /// [B + 1] where the experts of each bundle start.
  public private(set) var offsets: [Int32] = [0]
  /// Experts of all bundles, ascending within one.
  public private(set) var experts: [Int32] = []

  /// B.
  public var count: Int { sources.count }

  /// The given tokens.
  ///
  /// Shapes: `tokens` source rank and chosen experts of each, in any order; an expert that is
  /// dropped (negative) is left out.
  /// - Precondition: ranks are 0 ..< R, experts below E.
  public init(
    rankCount: Int, expertCount: Int, tokens: some Sequence<(source: Int, experts: [Int32])>
  ) {
    self.rankCount = rankCount
    self.expertCount = expertCount
    var keys = tokens.map { token in
      [Int32(token.source)] + token.experts.filter { $0 >= 0 }.sorted()
    }.filter { $0.count > 1 }
    keys.sort { $0.lexicographicallyPrecedes($1) }
    for (index, key) in keys.enumerated() {
      precondition(
        (0..<Int32(rankCount)).contains(key[0]) && key.last! < expertCount,
        "token of rank \(key[0]) with experts \(key.dropFirst())")
      if index > 0, key == keys[index - 1] {
        multiplicities[count - 1] += 1
      } else {
        sources.append(key[0])
        multiplicities.append(1)
        experts += key.dropFirst()
        offsets.append(Int32(experts.count))
      }
    }
  }

  /// What a source routes in one layer in some steps.
  ///
  /// - Parameter rankOfPosition: the rank of each position of a step, [T].
  public init(
    source: any RoutingSource, layer: Int, steps: Range<Int>, rankCount: Int,
    rankOfPosition: (_ step: Int) throws -> [Int32]
  ) rethrows {
    var tokens: [(source: Int, experts: [Int32])] = []
    for step in steps {
      let ranks = try rankOfPosition(step)
      let positions = (0..<Int32(ranks.count)).map { $0 }
      var decision = RoutingDecision(tokenCount: ranks.count, topK: source.topK)
      source.route(layer: layer, step: step, positions: positions.span, into: &decision)
      for (position, rank) in ranks.enumerated() {
        let chosen = decision.expertIndices[position * source.topK..<(position + 1) * source.topK]
        tokens.append((Int(rank), Array(chosen)))
      }
    }
    self.init(rankCount: rankCount, expertCount: source.expertCount, tokens: tokens)
  }

  /// The experts of a bundle, ascending.
  public func experts(ofBundle bundle: Int) -> ArraySlice<Int32> {
    experts[Int(offsets[bundle])..<Int(offsets[bundle + 1])]
  }

  /// Tokens with at least one assignment.
  public var tokenCount: Int { multiplicities.reduce(0) { $0 + Int($1) } }

  /// [E] assignments of each expert.
  public var load: [Int] {
    var load = Array(repeating: 0, count: expertCount)
    for bundle in 0..<count {
      for expert in experts(ofBundle: bundle) { load[Int(expert)] += Int(multiplicities[bundle]) }
    }
    return load
  }

  /// [R, E] assignments of each rank's tokens to each expert.
  public var sourceCounts: [Int] {
    var counts = Array(repeating: 0, count: rankCount * expertCount)
    for bundle in 0..<count {
      let row = Int(sources[bundle]) * expertCount
      for expert in experts(ofBundle: bundle) {
        counts[row + Int(expert)] += Int(multiplicities[bundle])
      }
    }
    return counts
  }
}
