// SPDX-License-Identifier: Apache-2.0
// epsim: the time that a change would lead to, without making it.

public import CostModel

extension BundleCost {
  /// The time that a swap would lead to; the placement stays.
  public mutating func time(swapping slot: Int, with other: Int) -> Seconds {
    let (home, goal) = (rankOfSlot[slot], rankOfSlot[other])
    let (expert, partner) = (Int(expertOfSlot[slot]), Int(expertOfSlot[other]))
    guard home != goal else { return time }
    guard expert != partner else {
      // Copies of one expert: the order in which they serve changes.
      swap(slot: slot, with: other)
      defer { swap(slot: slot, with: other) }
      return time
    }
    return trial([expert, partner], ranks: [home, goal]) { cost, isBegin in
      cost.place(slot, on: isBegin ? goal : home)
      cost.place(other, on: isBegin ? home : goal)
    }
  }

  /// The time that another expert in a slot would lead to; the placement stays.
  /// - Precondition: as ``hold(_:in:)``.
  public mutating func time(holding expert: Int, in slot: Int) -> Seconds {
    let leaving = Int(expertOfSlot[slot])
    guard expert != leaving else { return time }
    return trial([leaving, expert], ranks: [rankOfSlot[slot]]) { cost, isBegin in
      let (old, new) = isBegin ? (leaving, expert) : (expert, leaving)
      cost.slotsOfExpert[old].removeAll { $0 == slot }
      cost.slotsOfExpert[new].insert(ascending: slot)
    }
  }

  /// Evaluates two experts as a change would have them.
  ///
  /// - Parameter change: makes the change with `true`, takes it back with `false`.
  private mutating func trial(
    _ experts: [Int], ranks: [Int], _ change: (inout BundleCost, Bool) -> Void
  ) -> Seconds {
    touch(experts, ranks: ranks)
    let isCarried = experts.map { ranks.count == 2 && slotsOfExpert[$0].count == 1 }
    ports.add(tally, hosts: touched, sign: -1)
    tally.beginTrial(
      hosts: touched,
      slots: [slotsOfExpert[experts[0]], slotsOfExpert[experts[1]]].joined())
    change(&self, true)
    if isCarried[0], isCarried[1] {
      tally.tryCarry(experts[0], from: ranks[0], to: ranks[1], except: experts[1])
      tally.tryCarry(experts[1], from: ranks[1], to: ranks[0], except: experts[0])
    } else {
      for (expert, other) in [(experts[0], experts[1]), (experts[1], experts[0])] {
        table.fill(
          slotsOfExpert[expert], rankOfSlot: nextRankOfSlot,
          nodeOfRank: model.topology.nodeOfRank, isNearest: isNearest)
        tally.tryDeploy(
          expert, table: table, rankOfSlot: rankOfSlot, nextRankOfSlot: nextRankOfSlot,
          other: other)
      }
      tally.tryShared()
    }
    ports.add(tally, hosts: touched, sign: 1)
    for rank in touched { setExperts(of: rank) }
    let result = model.time(dispatch: ports.dispatch, returning: ports.returning)
    ports.add(tally, hosts: touched, sign: -1)
    tally.endTrial()
    change(&self, false)
    ports.add(tally, hosts: touched, sign: 1)
    for rank in touched { setExperts(of: rank) }
    return result
  }

  /// Puts a slot on a rank for a trial.
  private mutating func place(_ slot: Int, on rank: Int) {
    slotsOfRank[nextRankOfSlot[slot]].removeAll { $0 == slot }
    slotsOfRank[rank].insert(ascending: slot)
    nextRankOfSlot[slot] = rank
  }
}
