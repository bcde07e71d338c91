// SPDX-License-Identifier: Apache-2.0
// epsim: a batch whose tokens use experts that ranks lend each other.

public import CostModel
internal import MoE

/// A batch after a ``TransientRule``: lent experts stand in further slots of the ranks that got
/// them, for this batch alone, and tokens use them.
///
/// Every slot counts as an expert of its own, so that copies of a placement spill apart; a rank that
/// holds the expert already is sent no weights. A spilled expert comes from the nearest rank that
/// holds it: one of the same node before others, then the one that has sent least, then the lowest.
/// An expert for all ranks is passed on from rank to rank, node by node, so that no rank sends it
/// more than once. Which rows of an expert stay is decided by source rank, then by token.
public struct LentBatch: Sendable {
  /// The tokens under the placement with lent experts.
  public let batch: ServedBatch
  /// In the order of their decision.
  public let loans: [ExpertLoan]

  /// Decides and moves rows.
  ///
  /// - Parameter rowsPerExpert: rows that take as long as the weights of one expert, where the rule
  ///   does not say it.
  /// - Throws: ``InputError`` where more slots are needed than a placement may have.
  public init(
    _ batch: ServedBatch, rule: TransientRule, topology: Topology, rowsPerExpert: Double
  ) throws {
    var desk = LoanDesk(batch.placement, topology: topology)
    switch rule.method {
    case .spill(let rule):
      var shares = desk.spill(batch, rule)
      loans = desk.loans
      self.batch = try desk.serve(batch) { _, slot in shares.next(slot) }
    case .shadow(let rule, let given):
      let isLent = desk.shadow(batch, rule, rowsPerExpert: given ?? rowsPerExpert)
      loans = desk.loans
      let placement = batch.placement
      self.batch = try desk.serve(batch) { source, slot in
        isLent[Int(placement.physicalToLogical[0][slot])]
          ? source : placement.rank(ofSlot: slot)
      }
    }
  }
}

/// Rows of each slot that go to each rank, one after the other.
private struct SlotShares {
  /// [P] ranks in order, with the rows that each still gets.
  var shares: [[(rank: Int, rows: Int)]]
  /// [P] the rank whose turn it is.
  var turns: [Int]

  mutating func next(_ slot: Int) -> Int {
    while shares[slot][turns[slot]].rows == 0 { turns[slot] += 1 }
    shares[slot][turns[slot]].rows -= 1
    return shares[slot][turns[slot]].rank
  }
}

/// Who holds which expert, who lends what to whom.
private struct LoanDesk {
  private struct Stand: Hashable {
    var rank: Int
    var expert: Int
  }

  private let placement: ExpertPlacement
  private let nodes: [Int]
  /// [N] ranks of each node, ascending.
  private let ranksOfNode: [[Int]]
  /// The lowest slot of an expert on a rank.
  private var slotOf: [Stand: Int] = [:]
  /// [E] ranks that hold an expert, ascending.
  private var holders: [[Int]]
  /// [R] experts that a rank sends.
  private var sent: [Int]
  /// [R] experts that a rank is lent.
  private var lent: [[Int]]
  private(set) var loans: [ExpertLoan] = []

  init(_ placement: ExpertPlacement, topology: Topology) {
    self.placement = placement
    nodes = topology.nodeOfRank
    ranksOfNode = (0..<topology.nodeCount).map { node in
      topology.nodeOfRank.indices.filter { topology.nodeOfRank[$0] == node }
    }
    holders = Array(repeating: [], count: placement.expertCount)
    sent = Array(repeating: 0, count: placement.rankCount)
    lent = Array(repeating: [], count: placement.rankCount)
    for (slot, expert) in placement.physicalToLogical[0].enumerated() {
      let stand = Stand(rank: placement.rank(ofSlot: slot), expert: Int(expert))
      guard slotOf[stand] == nil else { continue }
      slotOf[stand] = slot
      holders[stand.expert].append(stand.rank)
    }
  }

  private func holds(_ expert: Int, _ rank: Int) -> Bool {
    slotOf[Stand(rank: rank, expert: expert)] != nil
  }

  private mutating func lend(_ expert: Int, from source: Int, to rank: Int) {
    loans.append(ExpertLoan(expert: expert, from: source, to: rank))
    sent[source] += 1
    slotOf[Stand(rank: rank, expert: expert)] = placement.slotCount
    lent[rank].append(expert)
  }

  mutating func spill(_ batch: ServedBatch, _ rule: SpillPlan.Rule) -> SlotShares {
    // By expert, so that equal loads are taken as where there are no replicas.
    let order = placement.logicalToPhysical(layerRow: 0).slots.map { Int($0) }
    let rows = batch.rowsPerSlot
    let plan = SpillPlan(
      loads: order.map { rows[$0] }, rankOfExpert: order.map { placement.rank(ofSlot: $0) },
      rankCount: placement.rankCount, rule: rule)
    var shares = rows.enumerated().map { slot, rows in
      [(rank: placement.rank(ofSlot: slot), rows: rows)]
    }
    for transfer in plan.transfers {
      let slot = order[transfer.expert]
      shares[slot][0].rows -= transfer.rows
      shares[slot].append((transfer.to, transfer.rows))
      let expert = Int(placement.physicalToLogical[0][slot])
      guard !holds(expert, transfer.to) else { continue }
      let node = nodes[transfer.to]
      let source = holders[expert].min {
        (nodes[$0] == node ? 0 : 1, sent[$0], $0) < (nodes[$1] == node ? 0 : 1, sent[$1], $1)
      }
      lend(expert, from: source ?? transfer.from, to: transfer.to)
    }
    return SlotShares(shares: shares, turns: Array(repeating: 0, count: shares.count))
  }

  /// [E] whether each expert is lent to all ranks.
  mutating func shadow(
    _ batch: ServedBatch, _ rule: ShadowPlan.Rule, rowsPerExpert: Double
  ) -> [Bool] {
    var loads = Array(repeating: 0, count: placement.expertCount)
    for (slot, rows) in batch.rowsPerSlot.enumerated() {
      let expert = Int(placement.physicalToLogical[0][slot])
      loads[expert] = max(loads[expert], rows)
    }
    let plan = ShadowPlan(
      loads: loads, rowTime: Seconds(1), transferTime: Seconds(rowsPerExpert), rule: rule)
    var isLent = Array(repeating: false, count: placement.expertCount)
    for expert in plan.experts {
      isLent[expert] = true
      passOn(expert)
    }
    return isLent
  }

  /// Lends an expert to all ranks without it, along a chain that begins on its first holder's node.
  private mutating func passOn(_ expert: Int) {
    var last = holders[expert][0]
    for place in ranksOfNode.indices {
      let ranks = ranksOfNode[(nodes[holders[expert][0]] + place) % ranksOfNode.count]
      last = ranks.first { holds(expert, $0) } ?? last
      for rank in ranks where !holds(expert, rank) {
        lend(expert, from: last, to: rank)
        last = rank
      }
    }
  }

  /// The batch with every assignment on the rank that it is given.
  func serve(
    _ batch: ServedBatch, rank: (_ source: Int, _ slot: Int) -> Int
  ) throws -> ServedBatch {
    let own = placement.slotOffsets
    var offsets = [0]
    var experts: [Int32] = []
    var lentSlot: [Stand: Int] = [:]
    for owner in 0..<placement.rankCount {
      experts += placement.physicalToLogical[0][placement.slots(ofRank: owner)]
      for expert in lent[owner] {
        lentSlot[Stand(rank: owner, expert: expert)] = experts.count
        experts.append(Int32(expert))
      }
      offsets.append(experts.count)
    }
    let slots = batch.slots.enumerated().map { source, slots in
      slots.map { slot -> Int32 in
        guard slot != RoutingDecision.dropped else { return slot }
        let home = placement.rank(ofSlot: Int(slot))
        let goal = rank(source, Int(slot))
        if goal == home { return slot + Int32(offsets[home] - own[home]) }
        let stand = Stand(rank: goal, expert: Int(placement.physicalToLogical[0][Int(slot)]))
        if let borrowed = lentSlot[stand] { return Int32(borrowed) }
        guard let held = slotOf[stand] else {
          preconditionFailure("expert \(stand.expert) is not on rank \(goal)")
        }
        return Int32(held + offsets[goal] - own[goal])
      }
    }
    return ServedBatch(
      placement: try ExpertPlacement(
        name: placement.name, layers: placement.layers, expertCount: placement.expertCount,
        slotOffsets: offsets, physicalToLogical: [experts]),
      topK: batch.topK, slots: slots)
  }
}
