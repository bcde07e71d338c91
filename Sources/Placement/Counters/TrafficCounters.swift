// SPDX-License-Identifier: Apache-2.0
// epsim: counters of load and traffic per layer, fed with the slots that tokens go to.

public import CostModel
internal import MoE

/// Load and traffic counters of a batch, layer by layer, under one placement.
///
/// Each rank adds the slots of its own tokens; the sum of all ranks' ``values`` is the whole batch.
/// Definitions: ``LayerTraffic``.
public struct TrafficCounters: Sendable {
  /// The placement that the slots belong to.
  public let placement: ExpertPlacement
  /// Ranks and nodes.
  public let topology: Topology
  /// All counters in one block, so that ranks can add them up in one reduction. The layout depends
  /// on the numbers of layers, ranks, nodes and slots only.
  public private(set) var values: [Int]

  private let layout: Layout
  /// [R] and [N] the last token that went to each rank and node; saves clearing a set per token.
  private var lastTokenOfRank: [Int]
  private var lastTokenOfNode: [Int]
  private var tokensSeen = 0

  /// Counters at zero.
  /// - Precondition: the topology has the placement's ranks.
  public init(placement: ExpertPlacement, topology: Topology) {
    precondition(
      topology.rankCount == placement.rankCount,
      "topology of \(topology.rankCount) ranks, placement of \(placement.rankCount)")
    self.placement = placement
    self.topology = topology
    layout = Layout(
      ranks: topology.rankCount, nodes: topology.nodeCount, slots: placement.slotCount)
    values = Array(repeating: 0, count: placement.layers.count * layout.size)
    lastTokenOfRank = Array(repeating: 0, count: topology.rankCount)
    lastTokenOfNode = Array(repeating: 0, count: topology.nodeCount)
  }

  /// The most ranks whose counters of some layers take no more than these bytes.
  ///
  /// Two numbers for each pair of ranks of each layer; what grows with nodes and slots is left out.
  public static func mostRanks(layerCount: Int, bytes: Int) -> Int {
    let pairs = bytes / (2 * MemoryLayout<Int>.size * max(1, layerCount))
    return Int(Double(pairs).squareRoot())
  }

  /// Counts the tokens of one source rank in one layer.
  ///
  /// Shapes: `slots` [T, choices] physical slots, -1 for one that is dropped or not used.
  /// - Parameters:
  ///   - choices: places for choices of each token; nil for K.
  ///   - topK: K, assignments that each token asks for, on average where the number differs.
  /// - Precondition: slots are below P.
  public mutating func add(
    layerRow: Int, sourceRank: Int, slots: UnsafeBufferPointer<Int32>, choices: Int? = nil,
    topK: Int
  ) {
    let width = choices ?? topK
    precondition(
      (0..<placement.layers.count).contains(layerRow)
        && (0..<topology.rankCount).contains(sourceRank)
        && slots.count.isMultiple(of: width),
      "row \(layerRow), rank \(sourceRank), \(slots.count) slots, \(width) per token")
    let tokenCount = slots.count / width
    let base = layerRow * layout.size
    let raw = base + layout.raw + sourceRank * topology.rankCount
    let rankDedup = base + layout.rankDedup + sourceRank * topology.rankCount
    let nodeDedup = base + layout.nodeDedup + sourceRank * topology.nodeCount
    let slotRows = base + layout.slotRows
    let slotCount = placement.slotCount
    let firstStamp = tokensSeen + 1
    tokensSeen += tokenCount
    var kept = 0
    var droppedTokens = 0
    let (rankOfSlot, nodeOfRank) = (placement.rankOfSlot, topology.nodeOfRank)
    values.withUnsafeMutableBufferPointer { values in
      lastTokenOfRank.withUnsafeMutableBufferPointer { lastTokenOfRank in
        lastTokenOfNode.withUnsafeMutableBufferPointer { lastTokenOfNode in
          rankOfSlot.withUnsafeBufferPointer { rankOfSlot in
            nodeOfRank.withUnsafeBufferPointer { nodeOfRank in
              for token in 0..<tokenCount {
                let stamp = firstStamp + token
                var dropped = 0
                for index in token * width..<(token + 1) * width {
                  let slot = Int(slots[index])
                  if slots[index] == RoutingDecision.dropped {
                    dropped += 1
                    continue
                  }
                  precondition(slot >= 0 && slot < slotCount, "slot \(slot) of \(slotCount)")
                  let rank = Int(rankOfSlot[slot])
                  let node = nodeOfRank[rank]
                  values[raw + rank] += 1
                  values[slotRows + slot] += 1
                  if lastTokenOfRank[rank] != stamp {
                    lastTokenOfRank[rank] = stamp
                    values[rankDedup + rank] += 1
                  }
                  if lastTokenOfNode[node] != stamp {
                    lastTokenOfNode[node] = stamp
                    values[nodeDedup + node] += 1
                  }
                }
                kept += width - dropped
                droppedTokens += dropped == width ? 1 : 0
              }
            }
          }
        }
      }
    }
    values[base + Layout.tokens] += tokenCount
    values[base + Layout.droppedAssignments] += max(0, tokenCount * topK - kept)
    values[base + Layout.droppedTokens] += droppedTokens
  }

  /// Puts the sum over ranks in place of this rank's own values.
  /// - Precondition: as many values as before.
  public mutating func replaceValues(_ sums: [Int]) {
    precondition(sums.count == values.count, "\(sums.count) counters for \(values.count)")
    values = sums
  }

  /// Adds the counters of other tokens under the same placement and topology.
  public static func += (left: inout TrafficCounters, right: TrafficCounters) {
    precondition(
      left.values.count == right.values.count,
      "\(left.values.count) and \(right.values.count) counters")
    for index in left.values.indices { left.values[index] += right.values[index] }
  }

  /// The counters of one row of the placement.
  public func layer(_ row: Int) -> LayerTraffic { traffic(inRows: row...row) }

  /// The sum over all layers.
  public var total: LayerTraffic { traffic(inRows: 0...placement.layers.count - 1) }

  /// [P] assignments that each slot serves in one row.
  public func rowsPerSlot(layerRow row: Int) -> [Int] {
    block(layout.slotRows, placement.slotCount, inRows: row...row)
  }

  /// Largest over mean assignments of an expert, replicas together: the sum over layers of the
  /// largest over the sum of the means. 1 where nothing was assigned.
  public var expertMaxOverMean: Double {
    var (largest, sum) = (0, 0)
    for row in placement.layers.indices {
      var loads = Array(repeating: 0, count: placement.expertCount)
      for (slot, rows) in rowsPerSlot(layerRow: row).enumerated() {
        loads[Int(placement.physicalToLogical[row][slot])] += rows
      }
      largest += loads.max() ?? 0
      sum += loads.reduce(0, +)
    }
    return sum > 0 ? Double(largest * placement.expertCount) / Double(sum) : 1
  }

  /// [R] distinct experts with at least one assignment, per rank in one row.
  public func activatedExpertsPerRank(layerRow row: Int) -> [Int] {
    let rows = rowsPerSlot(layerRow: row)
    return (0..<topology.rankCount).map { rank in
      Set(
        placement.slots(ofRank: rank).filter { rows[$0] > 0 }
          .map { placement.physicalToLogical[row][$0] }
      ).count
    }
  }

  /// [N] distinct experts with at least one assignment, per node in one row.
  public func activatedExpertsPerNode(layerRow row: Int) -> [Int] {
    var active = Array(repeating: Set<Int32>(), count: topology.nodeCount)
    for (slot, rows) in rowsPerSlot(layerRow: row).enumerated() where rows > 0 {
      active[topology.nodeOfRank[placement.rank(ofSlot: slot)]]
        .insert(placement.physicalToLogical[row][slot])
    }
    return active.map(\.count)
  }

  private func traffic(inRows rows: ClosedRange<Int>) -> LayerTraffic {
    let ranks = topology.rankCount
    let head = block(0, Layout.headCount, inRows: rows)
    return LayerTraffic(
      topology: topology, tokens: head[Layout.tokens],
      droppedAssignments: head[Layout.droppedAssignments],
      droppedTokens: head[Layout.droppedTokens],
      raw: TrafficMatrix(
        rankCount: ranks, counts: block(layout.raw, ranks * ranks, inRows: rows)),
      rankDedup: TrafficMatrix(
        rankCount: ranks, counts: block(layout.rankDedup, ranks * ranks, inRows: rows)),
      nodeDedup: block(layout.nodeDedup, ranks * topology.nodeCount, inRows: rows))
  }

  /// Sums one block over rows.
  private func block(_ start: Int, _ count: Int, inRows rows: ClosedRange<Int>) -> [Int] {
    var sums = Array(repeating: 0, count: count)
    for row in rows {
      let base = row * layout.size + start
      for index in 0..<count { sums[index] += values[base + index] }
    }
    return sums
  }
}

/// Where the blocks of one layer lie in ``TrafficCounters/values``.
private struct Layout: Sendable {
  static let tokens = 0
  static let droppedAssignments = 1
  static let droppedTokens = 2
  static let headCount = 3

  let raw: Int
  let rankDedup: Int
  let nodeDedup: Int
  let slotRows: Int
  let size: Int

  init(ranks: Int, nodes: Int, slots: Int) {
    raw = Self.headCount
    rankDedup = raw + ranks * ranks
    nodeDedup = rankDedup + ranks * ranks
    slotRows = nodeDedup + ranks * nodes
    size = slotRows + slots
  }
}
