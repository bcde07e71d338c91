// SPDX-License-Identifier: Apache-2.0
// epsim: how a placement does on some tokens.

public import CostModel

/// The figures by which placements are compared, on the same tokens.
public struct PlacementScore: Sendable, Equatable, Codable {
  /// Steps that were counted.
  public let steps: Int
  /// Balance of ranks and of nodes over layers and steps.
  public let load: LoadSummary
  public let nodeLoad: LoadSummary
  /// Copies per token and layer: one per assignment that leaves its rank.
  public let offRankRaw: Double
  /// One per assignment that leaves its node.
  public let offNodeRaw: Double
  /// One per token and rank of another node.
  public let offNodeRankDedup: Double
  /// One per token and other node.
  public let offNodeNodeDedup: Double
  /// Distinct destination ranks and nodes per token and layer, own included.
  public let fanOutRanks: Double
  public let fanOutNodes: Double
  /// Modelled time of a step: the sum over its layers, each on its own; the mean over steps. Nil
  /// without prices.
  public let stepSeconds: Double?

  /// Copies that leave nodes under a way of deduplication.
  public func offNode(_ dedup: Dedup) -> Double {
    switch dedup {
    case .none: offNodeRaw
    case .rank: offNodeRankDedup
    case .node: offNodeNodeDedup
    }
  }
}

/// Scores a placement step by step.
public struct PlacementScorer: Sendable {
  private var ranks = LoadCounters()
  private var nodes = LoadCounters()
  private var layer: PricedLayer?
  private var seconds = 0.0
  private var steps = 0
  /// All steps together; nil before the first.
  public private(set) var total: TrafficCounters?

  /// - Parameter prices: nil where no time is asked for.
  public init(prices: LayerPrices?, topology: Topology) {
    layer = prices.map { PricedLayer($0, topology: topology) }
  }

  /// Adds a step.
  /// - Precondition: all steps are of one placement and topology.
  public mutating func add(_ step: TrafficCounters) {
    steps += 1
    ranks.addRanks(of: step)
    nodes.addNodes(of: step)
    for row in step.placement.layers.indices {
      seconds += layer?.time(step, layerRow: row).value ?? 0
    }
    if total == nil { total = step } else { total! += step }
  }

  /// The figures so far; nil before the first step.
  public var score: PlacementScore? {
    guard let all = total?.total else { return nil }
    // `tokens` of the total counts every token once per layer.
    let tokens = Double(max(1, all.tokens))
    return PlacementScore(
      steps: steps, load: ranks.summary, nodeLoad: nodes.summary,
      offRankRaw: Double(all.offRankRaw) / tokens, offNodeRaw: Double(all.offNodeRaw) / tokens,
      offNodeRankDedup: Double(all.offNodeRankDedup) / tokens,
      offNodeNodeDedup: Double(all.offNodeNodeDedup) / tokens, fanOutRanks: all.fanOutRanks,
      fanOutNodes: all.fanOutNodes, stepSeconds: layer.map { _ in seconds / Double(steps) })
  }
}
