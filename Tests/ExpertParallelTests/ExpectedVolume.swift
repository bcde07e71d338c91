// SPDX-License-Identifier: Apache-2.0
// epsim: what an exchange must have moved, from the choices alone.

import CostModel
import ExpertParallel
import Kernels
import Placement

/// Sums over the layers of a step, worked out from counters of traffic.
struct ExpectedVolume {
  let scheme: ExchangeScheme
  let placement: ExpertPlacement
  let topology: Topology
  let hidden: Int
  let topK: Int

  /// Every figure that is not as it must be, in words.
  func differences(_ volume: ExchangeVolume, _ traffic: TrafficCounters) -> [String] {
    let layers = placement.layers.indices.map { traffic.layer($0) }
    let dispatchBytes = scheme.wire.rowBytes(length: hidden) + 8 * entriesPerCopy
    let resultBytes = hidden * scheme.combineWire.byteCount
    return differences(
      volume.dispatch, layers, copies: copies, unitBytes: dispatchBytes, way: "dispatch")
      + differences(
        volume.combine, layers, copies: scheme.isTolerance ? copies : .none,
        unitBytes: resultBytes, way: "combine")
  }

  /// Which copies go to the experts.
  private var copies: Dedup { scheme.dedup }

  /// Experts named behind a copy, eight bytes each.
  private var entriesPerCopy: Int {
    let slots = (0..<topology.rankCount).map { placement.slots(ofRank: $0).count }
    if scheme.transport == .allGather { return min(topK, placement.slotCount) }
    return switch scheme.dedup {
    case .none: 0
    case .rank: min(topK, slots.max()!)
    case .node:
      min(
        topK,
        (0..<topology.nodeCount).map { node in
          slots.indices.reduce(0) { $0 + (topology.nodeOfRank[$1] == node ? slots[$1] : 0) }
        }.max()!)
    }
  }

  private func differences(
    _ way: ExchangeVolume.Way, _ layers: [LayerTraffic], copies: Dedup, unitBytes: Int,
    way name: String
  ) -> [String] {
    let ranks = topology.rankCount
    var wrong: [String] = []
    func expect(_ what: String, _ figure: Int, _ expected: ClosedRange<Int>) {
      guard !expected.contains(figure) else { return }
      wrong.append("\(name) \(what) \(figure), must be \(expected)")
    }
    func expect(_ what: String, _ figure: Int, _ expected: Int) {
      expect(what, figure, expected...expected)
    }
    func sum(_ figure: (LayerTraffic) -> Int) -> Int { layers.reduce(0) { $0 + figure($1) } }

    if scheme.transport == .allGather {
      let rows = sum { $0.tokens - $0.droppedTokens } * (ranks - 1)
      expect("rows", way.rows, rows)
      expect("bytes", way.bytes, rows * unitBytes)
      return wrong
    }
    switch copies {
    case .none:
      expect("rows", way.rows, sum(\.offRankRaw))
      expect("rows off node", way.offNodeRows, sum(\.offNodeRaw))
    case .rank:
      expect("rows", way.rows, sum(\.offRankRankDedup))
      expect("rows off node", way.offNodeRows, sum(\.offNodeRankDedup))
    case .node:
      expect("rows off node", way.offNodeRows, sum(\.offNodeNodeDedup))
      // In the node a copy goes to every rank but the one that took it in, if that is one of them.
      let inside = sum(\.tokenRankPairs)
      expect(
        "rows in nodes", way.rows - way.offNodeRows, inside - sum(\.tokenNodePairs)...inside)
    }
    if scheme.transport == .padded {
      let block = sum { (copies == .rank ? $0.rankDedup : $0.raw).counts.max()! }
      expect("bytes", way.bytes, ranks * (ranks - 1) * block * unitBytes)
    } else {
      // Rows that are put in place inside a node have the format of the experts, here f32.
      let isPlaced =
        scheme.transport.sharesMemory && scheme.dedup == .none && name == "dispatch"
      let inside = (way.rows - way.offNodeRows) * (isPlaced ? 4 * hidden : unitBytes)
      expect("bytes", way.bytes, inside + way.offNodeRows * unitBytes)
      expect("bytes off node", way.offNodeBytes, way.offNodeRows * unitBytes)
    }
    if copies != .node, scheme.chunks == 1, !scheme.transport.sharesMemory,
      scheme.transport != .padded
    {
      expect("messages", way.messages, sum { blocks(copies == .rank ? $0.rankDedup : $0.raw) })
    }
    return wrong
  }

  /// Pairs of different ranks that share rows.
  private func blocks(_ matrix: TrafficMatrix) -> Int {
    let ranks = 0..<matrix.rankCount
    return ranks.reduce(0) { sum, source in
      sum + ranks.count { $0 != source && matrix[source, $0] > 0 }
    }
  }
}
