// SPDX-License-Identifier: Apache-2.0
// epsim: the time of a layer from its tokens, under a placement that changes slot by slot.

public import CostModel
public import Workloads

/// A layer whose copies are deduplicated as a run does it, with replicas.
///
/// Exchanges are those of ``PortModel`` on the copies that `--dedup` sends, experts the roofline of
/// each rank's slots, ranks meet as in ``LayerRecursion``: equal to a projection of the same tokens
/// in these terms. Left out, because no placement changes them much: route, shared experts, rows
/// that stay on their rank.
///
/// Which copy serves: the candidates of a source are the copies that its rule allows
/// (``LayerPrices/replicaChoice``), and its bundles take them in turn, as tokens do in a run; a
/// bundle goes as a whole. What a bundle's tokens would have spread is judged by the real choice.
///
/// Counts are whole: moves and their opposites lead back to the same time exactly.
public struct BundleCost: LayerCost {
  public private(set) var rankOfSlot: [Int]
  /// [S] expert in each slot.
  public private(set) var expertOfSlot: [Int32]
  public private(set) var time: Seconds = .zero

  var tally: BundleTally
  var ports: BundlePorts
  var model: LayerModel
  let isNearest: Bool
  /// [E] slots of each expert, ascending.
  var slotsOfExpert: [[Int32]]
  /// [R] slots of each rank, ascending: sums do not depend on the way here.
  var slotsOfRank: [[Int32]]
  /// Ranks that a change touches, who serves an expert, rows of a rank's slots: room that is used
  /// again.
  var touched: [Int] = []
  var table = ServingTable()
  var slotRows: [Double] = []
  /// [S] as ``rankOfSlot``, but in a trial.
  var nextRankOfSlot: [Int]

  /// Shapes: `expertOfSlot` and `rankOfSlot` [S].
  /// - Precondition: these shapes; ranks are those of the topology and the bundles; every expert
  ///   that a bundle chooses has a slot.
  public init(
    _ bundles: RoutingBundles, expertOfSlot: [Int32], rankOfSlot: [Int], topology: Topology,
    prices: LayerPrices
  ) {
    precondition(
      bundles.rankCount == topology.rankCount && expertOfSlot.count == rankOfSlot.count
        && rankOfSlot.allSatisfy { 0..<topology.rankCount ~= $0 }
        && expertOfSlot.allSatisfy { 0..<bundles.expertCount ~= Int($0) },
      "bundles of \(bundles.rankCount) ranks for \(topology.rankCount), \(expertOfSlot.count) slots"
    )
    let routing = BundleVisits(bundles)
    tally = BundleTally(routing, topology: topology, slotCount: rankOfSlot.count)
    model = prices.model(on: topology)
    ports = BundlePorts(model.emptyLoads, dedup: prices.dedup, combine: prices.combine)
    isNearest = prices.replicaChoice.prefersNear
    self.rankOfSlot = rankOfSlot
    nextRankOfSlot = rankOfSlot
    self.expertOfSlot = expertOfSlot
    slotsOfExpert = Array(repeating: [], count: bundles.expertCount)
    slotsOfRank = Array(repeating: [], count: topology.rankCount)
    for (slot, rank) in rankOfSlot.enumerated() {
      slotsOfExpert[Int(expertOfSlot[slot])].append(Int32(slot))
      slotsOfRank[rank].append(Int32(slot))
    }
    for expert in 0..<bundles.expertCount where !routing.range(of: expert).isEmpty {
      precondition(!slotsOfExpert[expert].isEmpty, "expert \(expert) has no slot")
      deploy(expert)
    }
    touched = Array(0..<topology.rankCount)
    for rank in touched { model.setTokens(Double(routing.assignments[rank]), of: rank) }
    putBack()
    evaluate()
  }

  /// What passes every port in dispatch.
  public var dispatch: PortLoads { ports.dispatch }
  /// What combine sends back, with sides as of dispatch.
  public var returning: PortLoads { ports.returning }
  /// The phases of what was evaluated last, rank by rank.
  public var phases: RankTimes { model.recursion.layer }
  /// [S] assignments that each slot serves.
  public var rowsPerSlot: [Int] { tally.rows }
  /// Bundle counters that were changed, or read for a trial, so far.
  public var updateCount: Int { tally.updateCount }
  /// Copies that leave their node, a copy per token and node.
  public var offNodeCopies: Int {
    let (ranks, nodeOfRank) = (slotsOfRank.count, model.topology.nodeOfRank)
    return tally.nodeCopies.indices.reduce(0) { sum, cell in
      nodeOfRank[cell % ranks] == cell / ranks ? sum : sum + tally.nodeCopies[cell]
    }
  }
  /// Copies that leave their rank, a copy per token and rank.
  public var offRankCopies: Int {
    let ranks = slotsOfRank.count
    return tally.rankCopies.indices.reduce(0) { sum, cell in
      cell % ranks == cell / ranks ? sum : sum + tally.rankCopies[cell]
    }
  }

  public mutating func move(slot: Int, to rank: Int) {
    shift(slot, to: rank)
    evaluate()
  }

  public mutating func swap(slot: Int, with other: Int) {
    exchange(slot, other)
    evaluate()
  }

  /// Lets a slot hold another expert.
  /// - Precondition: the expert that leaves has another slot, or no tokens.
  public mutating func hold(_ expert: Int, in slot: Int) {
    put(expert, in: slot)
    evaluate()
  }

  private mutating func exchange(_ slot: Int, _ other: Int) {
    let (first, second) = (rankOfSlot[slot], rankOfSlot[other])
    guard first != second else {
      touched.removeAll(keepingCapacity: true)
      return
    }
    change([Int(expertOfSlot[slot]), Int(expertOfSlot[other])], ranks: [first, second]) { cost in
      cost.relocate(slot, to: second)
      cost.relocate(other, to: first)
    }
  }

  private mutating func shift(_ slot: Int, to rank: Int) {
    let home = rankOfSlot[slot]
    change([Int(expertOfSlot[slot])], ranks: [home, rank]) { $0.relocate(slot, to: rank) }
  }

  private mutating func put(_ expert: Int, in slot: Int) {
    let leaving = Int(expertOfSlot[slot])
    change([leaving, expert], ranks: [rankOfSlot[slot]]) { cost in
      cost.slotsOfExpert[leaving].removeAll { $0 == slot }
      cost.slotsOfExpert[expert].insert(ascending: slot)
      cost.expertOfSlot[slot] = Int32(expert)
    }
  }
}

extension BundleCost {
  /// Changes the places of some experts. Those with one slot are carried, others are dealt anew.
  private mutating func change(
    _ experts: [Int], ranks: [Int], _ body: (inout BundleCost) -> Void
  ) {
    touch(experts, ranks: ranks)
    ports.add(tally, hosts: touched, sign: -1)
    let isCarried = ranks.count == 2
    for (index, expert) in experts.enumerated() where experts.firstIndex(of: expert) == index {
      if !isCarried || slotsOfExpert[expert].count > 1 {
        tally.withdraw(expert, rankOfSlot: rankOfSlot)
      }
    }
    let homes = experts.map { expert in slotsOfExpert[expert].first.map { rankOfSlot[Int($0)] } }
    body(&self)
    for (index, expert) in experts.enumerated() where experts.firstIndex(of: expert) == index {
      if !isCarried || slotsOfExpert[expert].count > 1 {
        deploy(expert)
      } else if let home = homes[index] {
        tally.carry(expert, from: home, to: rankOfSlot[Int(slotsOfExpert[expert][0])])
      }
    }
    putBack()
  }

  /// Finds the ranks that a change of these experts on these ranks may touch: where one has other
  /// slots, or gets them, those too.
  mutating func touch(_ experts: [Int], ranks: [Int]) {
    touched.removeAll(keepingCapacity: true)
    for rank in ranks where !touched.contains(rank) { touched.append(rank) }
    for expert in experts where slotsOfExpert[expert].count > 1 || ranks.count == 1 {
      for slot in slotsOfExpert[expert] {
        let rank = rankOfSlot[Int(slot)]
        if !touched.contains(rank) { touched.append(rank) }
      }
    }
  }

  private mutating func relocate(_ slot: Int, to rank: Int) {
    slotsOfRank[rankOfSlot[slot]].removeAll { $0 == slot }
    slotsOfRank[rank].insert(ascending: slot)
    rankOfSlot[slot] = rank
    nextRankOfSlot[slot] = rank
  }

  /// Deals an expert's bundles to its slots.
  private mutating func deploy(_ expert: Int) {
    table.fill(
      slotsOfExpert[expert], rankOfSlot: rankOfSlot, nodeOfRank: model.topology.nodeOfRank,
      isNearest: isNearest)
    tally.deploy(expert, table: table, rankOfSlot: rankOfSlot)
  }

  /// Loads of the touched ranks, as they are now.
  private mutating func putBack() {
    ports.add(tally, hosts: touched, sign: 1)
  }

  private mutating func evaluate() {
    for rank in touched { setExperts(of: rank) }
    time = model.time(dispatch: ports.dispatch, returning: ports.returning)
  }

  mutating func setExperts(of rank: Int) {
    slotRows.removeAll(keepingCapacity: true)
    for slot in slotsOfRank[rank] { slotRows.append(Double(tally.rows[Int(slot)])) }
    model.setExperts(rowsPerSlot: slotRows, of: rank)
  }
}

extension [Int32] {
  /// Inserts into numbers that ascend.
  mutating func insert(ascending slot: Int) {
    insert(Int32(slot), at: firstIndex { $0 > slot } ?? count)
  }
}
