// SPDX-License-Identifier: Apache-2.0
// epsim: how evenly the load lies on ranks or nodes, over many layers and steps.

/// Balance of a set of items, an item being one layer of one step.
public struct LoadSummary: Sendable, Equatable, Codable {
  /// (sum over items of the largest load) / (sum over items of the mean load): what time follows.
  public let maxOverMean: Double
  /// Mean over items of largest / mean.
  public let maxOverMeanLayers: Double
  /// Mean over items of mean / largest, 1 being perfect ("balancedness").
  public let meanOverMax: Double
  /// Mean over items of standard deviation / mean.
  public let cv: Double
  /// The most experts that one rank (or node) had to run in one item.
  public let activatedMax: Int
}

/// Collects loads item by item.
///
/// Items without any load are left out: they have nothing to balance.
public struct LoadCounters: Sendable, Equatable {
  private var itemCount = 0
  private var sumOfMax = 0.0
  private var sumOfMean = 0.0
  private var sumOfMaxOverMean = 0.0
  private var sumOfMeanOverMax = 0.0
  private var sumOfCV = 0.0
  private var activatedMax = 0

  public init() {}

  /// Adds one item.
  ///
  /// - Parameters:
  ///   - loads: load of each rank or node, idle ones included.
  ///   - activated: the most experts that one rank or node runs in this item.
  public mutating func add(loads: [Int], activated: Int = 0) {
    let sum = loads.reduce(0, +)
    guard sum > 0 else { return }
    let mean = Double(sum) / Double(loads.count)
    let largest = Double(loads.max() ?? 0)
    let variance =
      loads.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(loads.count)
    itemCount += 1
    sumOfMax += largest
    sumOfMean += mean
    sumOfMaxOverMean += largest / mean
    sumOfMeanOverMax += mean / largest
    sumOfCV += variance.squareRoot() / mean
    activatedMax = max(activatedMax, activated)
  }

  /// Adds every layer of a step, by ranks.
  public mutating func addRanks(of step: TrafficCounters) {
    for row in step.placement.layers.indices {
      add(
        loads: step.layer(row).receivedPerRank,
        activated: step.activatedExpertsPerRank(layerRow: row).max() ?? 0)
    }
  }

  /// Adds every layer of a step, by nodes.
  public mutating func addNodes(of step: TrafficCounters) {
    for row in step.placement.layers.indices {
      add(
        loads: step.layer(row).receivedPerNode,
        activated: step.activatedExpertsPerNode(layerRow: row).max() ?? 0)
    }
  }

  /// The balance so far; perfect where nothing was added.
  public var summary: LoadSummary {
    guard itemCount > 0 else {
      return LoadSummary(
        maxOverMean: 1, maxOverMeanLayers: 1, meanOverMax: 1, cv: 0, activatedMax: 0)
    }
    let items = Double(itemCount)
    return LoadSummary(
      maxOverMean: sumOfMax / sumOfMean, maxOverMeanLayers: sumOfMaxOverMean / items,
      meanOverMax: sumOfMeanOverMax / items, cv: sumOfCV / items, activatedMax: activatedMax)
  }
}
