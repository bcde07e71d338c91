// SPDX-License-Identifier: Apache-2.0
// epsim: copies as they would be after a change, counters as they are.

internal import CostModel

extension BundleTally {
  /// Rows of matrices and loads of slots as they were before a trial.
  struct Aside: Sendable {
    var hosts: [Int] = []
    var nodes: [Int] = []
    var slots: [Int] = []
    var counts: [Int] = []
    /// Visits of bundles that have both experts of a change: they see each other's move.
    var shared: [(visit: Int, old: Int, new: Int)] = []
  }

  /// Puts aside what a trial on these ranks and slots may change.
  mutating func beginTrial(hosts: [Int], slots: some Sequence<Int32>) {
    let ranks = topology.rankCount
    aside.hosts.removeAll(keepingCapacity: true)
    aside.nodes.removeAll(keepingCapacity: true)
    aside.slots.removeAll(keepingCapacity: true)
    aside.counts.removeAll(keepingCapacity: true)
    aside.shared.removeAll(keepingCapacity: true)
    for host in hosts {
      aside.hosts.append(host)
      let node = topology.nodeOfRank[host]
      if !aside.nodes.contains(node) { aside.nodes.append(node) }
      aside.counts += raw[host * ranks..<(host + 1) * ranks]
      aside.counts += rankCopies[host * ranks..<(host + 1) * ranks]
    }
    for node in aside.nodes { aside.counts += nodeCopies[node * ranks..<(node + 1) * ranks] }
    for slot in slots {
      aside.slots.append(Int(slot))
      aside.counts.append(rows[Int(slot)])
    }
  }

  /// Puts back what was put aside.
  mutating func endTrial() {
    let ranks = topology.rankCount
    var next = 0
    func take(_ matrix: inout [Int], _ row: Int) {
      for source in 0..<ranks { matrix[row * ranks + source] = aside.counts[next + source] }
      next += ranks
    }
    for host in aside.hosts {
      take(&raw, host)
      take(&rankCopies, host)
    }
    for node in aside.nodes { take(&nodeCopies, node) }
    for slot in aside.slots {
      rows[slot] = aside.counts[next]
      next += 1
    }
  }

  /// Copies as if an expert with one slot stood on another rank; bundles that have another expert
  /// too, which takes its place, are left out.
  mutating func tryCarry(_ expert: Int, from home: Int, to goal: Int, except other: Int) {
    let (ranks, nodes) = (topology.rankCount, topology.nodeCount)
    let (homeNode, goalNode) = (topology.nodeOfRank[home], topology.nodeOfRank[goal])
    let range = routing.range(of: expert)
    updateCount += (homeNode == goalNode ? 2 : 4) * range.count
    for source in 0..<ranks {
      let tokens = routing.sourceCounts[expert * ranks + source]
      raw[home * ranks + source] -= tokens
      raw[goal * ranks + source] += tokens
    }
    let isOtherNode = homeNode != goalNode
    let (words, word, bit) = (routing.wordsPerBundle, other / 64, UInt64(other % 64))
    routing.visits.withUnsafeBufferPointer { visits in
      routing.members.withUnsafeBufferPointer { members in
        onRank.withUnsafeBufferPointer { onRank in
          onNode.withUnsafeBufferPointer { onNode in
            rankCopies.withUnsafeMutableBufferPointer { rankCopies in
              nodeCopies.withUnsafeMutableBufferPointer { nodeCopies in
                for index in range {
                  let visit = visits[index]
                  let bundle = Int(visit.bundle)
                  // Sums of zero instead of branches, which would be mispredicted.
                  let isAlone =
                    1 - Int(truncatingIfNeeded: members[bundle * words + word] >> bit & 1)
                  let (source, tokens) = (Int(visit.source), isAlone * Int(visit.tokens))
                  let row = bundle * ranks
                  rankCopies[home * ranks + source] -= onRank[row + home] == 1 ? tokens : 0
                  rankCopies[goal * ranks + source] += onRank[row + goal] == 0 ? tokens : 0
                  guard isOtherNode else { continue }
                  let nodeRow = bundle * nodes
                  nodeCopies[homeNode * ranks + source] -=
                    onNode[nodeRow + homeNode] == 1 ? tokens : 0
                  nodeCopies[goalNode * ranks + source] +=
                    onNode[nodeRow + goalNode] == 0 ? tokens : 0
                }
              }
            }
          }
        }
      }
    }
  }

  /// Copies as if an expert were served by other slots.
  ///
  /// Shapes: `nextRankOfSlot` [S] ranks after the change.
  /// - Parameter other: the other expert of the change, if there is one.
  mutating func tryDeploy(
    _ expert: Int, table: ServingTable, rankOfSlot: [Int], nextRankOfSlot: [Int], other: Int
  ) {
    let (ranks, nodes) = (topology.rankCount, topology.nodeCount)
    let range = routing.range(of: expert)
    updateCount += 2 * range.count
    let (words, word, bit) = (routing.wordsPerBundle, other / 64, UInt64(other % 64))
    for index in range {
      let visit = routing.visits[index]
      let (bundle, source, tokens) = (Int(visit.bundle), Int(visit.source), Int(visit.tokens))
      let (slot, next) = (Int(slotOfVisit[index]), Int(table.slot(of: visit)))
      let (old, new) = (rankOfSlot[slot], nextRankOfSlot[next])
      rows[slot] -= tokens
      rows[next] += tokens
      guard old != new else { continue }
      raw[old * ranks + source] -= tokens
      raw[new * ranks + source] += tokens
      if other != expert, routing.members[bundle * words + word] >> bit & 1 == 1 {
        aside.shared.append((index, old, new))
        continue
      }
      let row = bundle * ranks
      if onRank[row + old] == 1 { rankCopies[old * ranks + source] -= tokens }
      if onRank[row + new] == 0 { rankCopies[new * ranks + source] += tokens }
      let (oldNode, newNode) = (topology.nodeOfRank[old], topology.nodeOfRank[new])
      guard oldNode != newNode else { continue }
      let nodeRow = bundle * nodes
      if onNode[nodeRow + oldNode] == 1 { nodeCopies[oldNode * ranks + source] -= tokens }
      if onNode[nodeRow + newNode] == 0 { nodeCopies[newNode * ranks + source] += tokens }
    }
  }

  /// Copies of bundles that have both experts of a change: their counters move and come back.
  mutating func tryShared() {
    let (ranks, nodes) = (topology.rankCount, topology.nodeCount)
    for (index, old, new) in aside.shared {
      let visit = routing.visits[index]
      let (source, tokens) = (Int(visit.source), Int(visit.tokens))
      let (row, nodeRow) = (Int(visit.bundle) * ranks, Int(visit.bundle) * nodes)
      let (oldNode, newNode) = (topology.nodeOfRank[old], topology.nodeOfRank[new])
      onRank[row + old] &-= 1
      if onRank[row + old] == 0 { rankCopies[old * ranks + source] -= tokens }
      if onRank[row + new] == 0 { rankCopies[new * ranks + source] += tokens }
      onRank[row + new] &+= 1
      onNode[nodeRow + oldNode] &-= 1
      if onNode[nodeRow + oldNode] == 0 { nodeCopies[oldNode * ranks + source] -= tokens }
      if onNode[nodeRow + newNode] == 0 { nodeCopies[newNode * ranks + source] += tokens }
      onNode[nodeRow + newNode] &+= 1
    }
    for (index, old, new) in aside.shared {
      let bundle = Int(routing.visits[index].bundle)
      onRank[bundle * ranks + old] &+= 1
      onRank[bundle * ranks + new] &-= 1
      onNode[bundle * nodes + topology.nodeOfRank[old]] &+= 1
      onNode[bundle * nodes + topology.nodeOfRank[new]] &-= 1
    }
  }
}
