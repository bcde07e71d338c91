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

  private var tally: BundleTally
  private var ports: BundlePorts
  private var model: LayerModel
  private let isNearest: Bool
  /// [E] slots of each expert, ascending.
  private var slotsOfExpert: [[Int32]]
  /// [R] slots of each rank, ascending: sums do not depend on the way here.
  private var slotsOfRank: [[Int32]]
  /// Ranks that a change touches, and the candidates of each source: room that is used again.
  private var touched: [Int] = []
  private var offsets: [Int] = []
  private var candidates: [Int32] = []

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
    isNearest = prices.replicaChoice == .nearest
    self.rankOfSlot = rankOfSlot
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
  /// The phases of the layer, rank by rank.
  public var phases: RankTimes { model.recursion.layer }
  /// [S] assignments that each slot serves.
  public var rowsPerSlot: [Int] { tally.rows }
  /// Bundle counters that were changed so far.
  public var updateCount: Int { tally.updateCount }
  /// Copies that leave their node, a copy per token and node.
  public var offNodeCopies: Int {
    let (ranks, nodeOfRank) = (
      rankOfSlot.isEmpty ? 0 : slotsOfRank.count, model.topology.nodeOfRank
    )
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

  /// The time that a swap would lead to; the placement stays.
  public mutating func time(swapping slot: Int, with other: Int) -> Seconds {
    let before = time
    swap(slot: slot, with: other)
    defer { swapBack(slot: slot, with: other, to: before) }
    return time
  }

  /// Takes a swap back, to a time that is known.
  mutating func swapBack(slot: Int, with other: Int, to before: Seconds) {
    exchange(slot, other)
    for rank in touched { setExperts(of: rank) }
    time = before
  }

  /// Gives a slot back to the expert that it held, at a time that is known.
  mutating func giveBack(_ expert: Int, slot: Int, to before: Seconds) {
    put(expert, in: slot)
    for rank in touched { setExperts(of: rank) }
    time = before
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
    touched.removeAll(keepingCapacity: true)
    func touch(_ rank: Int) { if !touched.contains(rank) { touched.append(rank) } }
    for rank in ranks { touch(rank) }
    for expert in experts where slotsOfExpert[expert].count > 1 {
      for slot in slotsOfExpert[expert] { touch(rankOfSlot[Int(slot)]) }
    }
    // An expert that gets a second slot is dealt anew too: its only one may be anywhere.
    if ranks.count == 1 {
      for expert in experts {
        for slot in slotsOfExpert[expert] { touch(rankOfSlot[Int(slot)]) }
      }
    }
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

  private mutating func relocate(_ slot: Int, to rank: Int) {
    slotsOfRank[rankOfSlot[slot]].removeAll { $0 == slot }
    slotsOfRank[rank].insert(ascending: slot)
    rankOfSlot[slot] = rank
  }

  /// Deals an expert's bundles to its slots.
  private mutating func deploy(_ expert: Int) {
    let slots = slotsOfExpert[expert]
    let nodeOfRank = model.topology.nodeOfRank
    offsets.removeAll(keepingCapacity: true)
    candidates.removeAll(keepingCapacity: true)
    offsets.append(0)
    for source in 0..<slotsOfRank.count {
      if isNearest, slots.count > 1 {
        for slot in slots where rankOfSlot[Int(slot)] == source { candidates.append(slot) }
        if candidates.count == offsets[source] {
          for slot in slots where nodeOfRank[rankOfSlot[Int(slot)]] == nodeOfRank[source] {
            candidates.append(slot)
          }
        }
      }
      if candidates.count == offsets[source] { candidates += slots }
      offsets.append(candidates.count)
    }
    tally.deploy(expert, offsets: offsets, slots: candidates, rankOfSlot: rankOfSlot)
  }

  /// Loads of the touched ranks, as they are now.
  private mutating func putBack() {
    ports.add(tally, hosts: touched, sign: 1)
  }

  private mutating func evaluate() {
    for rank in touched { setExperts(of: rank) }
    time = model.time(dispatch: ports.dispatch, returning: ports.returning)
  }

  private mutating func setExperts(of rank: Int) {
    let rows = tally.rows
    model.setExperts(rowsPerSlot: slotsOfRank[rank].lazy.map { Double(rows[Int($0)]) }, of: rank)
  }
}

extension [Int32] {
  /// Inserts into numbers that ascend.
  fileprivate mutating func insert(ascending slot: Int) {
    insert(Int32(slot), at: firstIndex { $0 > slot } ?? count)
  }
}
