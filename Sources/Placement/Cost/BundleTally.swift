// SPDX-License-Identifier: Apache-2.0
// epsim: how many experts of each bundle lie on each rank and node, and the copies that follow.

internal import CostModel
internal import Workloads

/// Connectivity counters of a layer's bundles, updated expert by expert.
///
/// A bundle sends a copy to a rank while at least one of its experts is served there, and a copy to
/// a node alike. All counts are whole, so that any number of moves and their opposites leads back to
/// the same counts.
struct BundleTally: Sendable {
  let routing: BundleVisits
  let topology: Topology
  /// [visits] slot that serves each.
  var slotOfVisit: [Int32]
  /// [S] assignments that each slot serves.
  var rows: [Int]
  /// [R, R] assignments, row = destination, column = source.
  var raw: [Int]
  /// [R, R] copies, one per token and destination rank; row = destination.
  var rankCopies: [Int]
  /// [N, R] copies, one per token and destination node; row = node.
  var nodeCopies: [Int]
  /// Counters that were read for a change or changed so far.
  var updateCount = 0
  /// What a trial has put aside: rows of the matrices, loads of slots.
  var aside = Aside()

  /// [B, R] experts of each bundle on each rank.
  var onRank: [UInt16]
  /// [B, N] experts of each bundle on each node.
  var onNode: [UInt16]

  /// No expert has a slot yet.
  init(_ routing: BundleVisits, topology: Topology, slotCount: Int) {
    self.routing = routing
    self.topology = topology
    let (ranks, nodes) = (topology.rankCount, topology.nodeCount)
    slotOfVisit = Array(repeating: -1, count: routing.visits.count)
    rows = Array(repeating: 0, count: slotCount)
    raw = Array(repeating: 0, count: ranks * ranks)
    rankCopies = raw
    nodeCopies = Array(repeating: 0, count: nodes * ranks)
    onRank = Array(repeating: 0, count: routing.bundleCount * ranks)
    onNode = Array(repeating: 0, count: routing.bundleCount * nodes)
  }

  /// Takes an expert off its slots.
  mutating func withdraw(_ expert: Int, rankOfSlot: [Int]) {
    let (ranks, nodes) = (topology.rankCount, topology.nodeCount)
    let range = routing.range(of: expert)
    updateCount += 2 * range.count
    for index in range {
      let visit = routing.visits[index]
      let (bundle, source) = (Int(visit.bundle), Int(visit.source))
      let (slot, tokens) = (Int(slotOfVisit[index]), Int(visit.tokens))
      let rank = rankOfSlot[slot]
      let node = topology.nodeOfRank[rank]
      rows[slot] -= tokens
      raw[rank * ranks + source] -= tokens
      onRank[bundle * ranks + rank] -= 1
      if onRank[bundle * ranks + rank] == 0 { rankCopies[rank * ranks + source] -= tokens }
      onNode[bundle * nodes + node] -= 1
      if onNode[bundle * nodes + node] == 0 { nodeCopies[node * ranks + source] -= tokens }
    }
  }

  /// Puts an expert onto slots: each source has candidates, which serve its bundles in turn.
  mutating func deploy(_ expert: Int, table: ServingTable, rankOfSlot: [Int]) {
    let (ranks, nodes) = (topology.rankCount, topology.nodeCount)
    let range = routing.range(of: expert)
    updateCount += 2 * range.count
    for index in range {
      let visit = routing.visits[index]
      let (bundle, source) = (Int(visit.bundle), Int(visit.source))
      let (slot, tokens) = (table.slot(of: visit), Int(visit.tokens))
      let rank = rankOfSlot[Int(slot)]
      let node = topology.nodeOfRank[rank]
      slotOfVisit[index] = slot
      rows[Int(slot)] += tokens
      raw[rank * ranks + source] += tokens
      if onRank[bundle * ranks + rank] == 0 { rankCopies[rank * ranks + source] += tokens }
      onRank[bundle * ranks + rank] += 1
      if onNode[bundle * nodes + node] == 0 { nodeCopies[node * ranks + source] += tokens }
      onNode[bundle * nodes + node] += 1
    }
  }

  /// Carries an expert that has one slot from a rank to another; the slot goes with it.
  mutating func carry(_ expert: Int, from home: Int, to goal: Int) {
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
    routing.visits.withUnsafeBufferPointer { visits in
      onRank.withUnsafeMutableBufferPointer { onRank in
        onNode.withUnsafeMutableBufferPointer { onNode in
          for index in range {
            let visit = visits[index]
            let (bundle, source) = (Int(visit.bundle), Int(visit.source))
            let tokens = Int(visit.tokens)
            let row = bundle * ranks
            onRank[row + home] -= 1
            if onRank[row + home] == 0 { rankCopies[home * ranks + source] -= tokens }
            if onRank[row + goal] == 0 { rankCopies[goal * ranks + source] += tokens }
            onRank[row + goal] += 1
            guard isOtherNode else { continue }
            let nodeRow = bundle * nodes
            onNode[nodeRow + homeNode] -= 1
            if onNode[nodeRow + homeNode] == 0 { nodeCopies[homeNode * ranks + source] -= tokens }
            if onNode[nodeRow + goalNode] == 0 { nodeCopies[goalNode * ranks + source] += tokens }
            onNode[nodeRow + goalNode] += 1
          }
        }
      }
    }
  }
}
