// SPDX-License-Identifier: Apache-2.0
// epsim: what every placement strategy is given.

public import CostModel
internal import MoE
public import Workloads

/// What a placement is made for.
public struct PlacementProblem: Sendable {
  /// Layers, experts and, for strategies that are fitted, their load; zeros where nothing is known.
  public var load: LoadHistogram
  /// Ranks and nodes.
  public var topology: Topology
  /// Groups of consecutive experts that a hierarchical strategy keeps on one node.
  public var groups: Int
  /// Slots beyond one per expert, over all ranks.
  public var extraSlots: Int
  /// [R] slots of each rank where they are not shared out evenly; their sum is P.
  public var slotsPerRank: [Int]?
  /// [R] speed of each rank against the fastest; nil for all alike.
  public var rankSpeeds: [Double]?
  /// The tokens behind the load, in windows; nil where only the load is known.
  public var evidence: RoutingEvidence?
  /// What stands on the ranks now; nil at the start.
  public var current: ExpertPlacement?
  /// What layers cost on the machine; nil where no cluster is named.
  public var prices: LayerPrices?
  /// What strategies that search may take; they stop earlier when they are done.
  public var secondLimit: Double

  public init(
    load: LoadHistogram, topology: Topology, groups: Int = 1, extraSlots: Int = 0,
    slotsPerRank: [Int]? = nil, rankSpeeds: [Double]? = nil, evidence: RoutingEvidence? = nil,
    current: ExpertPlacement? = nil, prices: LayerPrices? = nil, secondLimit: Double = 10
  ) {
    precondition(extraSlots >= 0 && groups >= 1, "\(extraSlots) extra slots, \(groups) groups")
    self.load = load
    self.topology = topology
    self.groups = groups
    self.extraSlots = extraSlots
    self.slotsPerRank = slotsPerRank
    self.rankSpeeds = rankSpeeds
    self.evidence = evidence
    self.current = current
    self.prices = prices
    self.secondLimit = secondLimit
  }

  /// P, the slots of a layer over all ranks.
  public var slotCount: Int { slotsPerRank?.reduce(0, +) ?? load.expertCount + extraSlots }

  /// [R + 1] first slot of each rank, and P: even shares unless the problem says otherwise.
  public var slotOffsets: [Int] {
    guard let slotsPerRank else {
      return SlotLayout.firstRanksHoldMore(
        slotCount: slotCount, rankCount: topology.rankCount)
    }
    return slotsPerRank.reduce(into: [0]) { $0.append($0.last! + $1) }
  }

  /// The tokens behind the load.
  ///
  /// - Throws: ``InputError`` where only a load is known.
  public func requireEvidence(for name: String) throws -> RoutingEvidence {
    guard let evidence else {
      throw InputError(
        "placement \(name): it is fitted to tokens, not to a load alone, accepted are --workload "
          + "with a trace or a generator, and --fit first-half or all")
    }
    return evidence
  }

  /// What layers cost.
  ///
  /// - Throws: ``InputError`` where no cluster is named.
  public func requirePrices(for name: String) throws -> LayerPrices {
    guard let prices else {
      throw InputError(
        "placement \(name): it is chosen by the time of a layer, accepted are place, run, compare and "
          + "validate with --cluster; 'epsim place --write' makes a file for other commands")
    }
    return prices
  }
}
