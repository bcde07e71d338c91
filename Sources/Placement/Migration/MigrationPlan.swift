// SPDX-License-Identifier: Apache-2.0
// epsim: which rank sends which expert to which rank when the placement changes.

public import CostModel

/// The transfers that turn one placement into another, only what must move.
///
/// A rank that holds an expert already copies it into further slots itself. What it does not hold
/// it gets once from the nearest rank that does: one of its node before others, then the one that
/// sends the fewest so far, then the lowest. Local.
public struct MigrationPlan: Sendable, Equatable {
  /// An expert on its way.
  public struct Transfer: Sendable, Equatable {
    /// Row of the placements.
    public let layerRow: Int
    public let expert: Int
    /// The rank that sends it; nil where no rank holds it any more: it is made anew.
    public let source: Int?
    public let destination: Int
    /// The lowest slot of the new placement that it fills on its destination.
    public let slot: Int

    public init(layerRow: Int, expert: Int, source: Int?, destination: Int, slot: Int) {
      self.layerRow = layerRow
      self.expert = expert
      self.source = source
      self.destination = destination
      self.slot = slot
    }
  }

  /// In the order of rows, destinations and slots.
  public let transfers: [Transfer]
  /// [R] experts that each rank sends.
  public let sentPerRank: [Int]
  /// [R] experts that each rank gets from others.
  public let receivedPerRank: [Int]
  /// Transfers between nodes.
  public let offNode: Int
  /// Experts that no rank holds any more, over all rows.
  public var recreated: Int { transfers.count { $0.source == nil } }
  /// Transfers from rank to rank.
  public var sent: Int { transfers.count - recreated }

  /// - Parameter lostRanks: ranks whose experts are gone; they may get new ones.
  /// - Precondition: placements of the same layers, experts and ranks; the topology has these
  ///   ranks.
  public init(
    from old: ExpertPlacement, to new: ExpertPlacement, topology: Topology,
    lostRanks: Set<Int> = []
  ) {
    precondition(
      old.layers == new.layers && old.expertCount == new.expertCount
        && old.rankCount == new.rankCount && topology.rankCount == new.rankCount,
      "from \(old.rankCount) ranks to \(new.rankCount)")
    let nodes = topology.nodeOfRank
    var transfers: [Transfer] = []
    var sent = Array(repeating: 0, count: new.rankCount)
    var received = sent
    var offNode = 0
    for row in new.layers.indices {
      var holders = Array(repeating: [Int](), count: new.expertCount)
      for rank in 0..<old.rankCount where !lostRanks.contains(rank) {
        for expert in old.experts(onRank: rank, layerRow: row) { holders[expert].append(rank) }
      }
      for rank in 0..<new.rankCount {
        var present = Set<Int>()
        if !lostRanks.contains(rank) { present.formUnion(old.experts(onRank: rank, layerRow: row)) }
        for slot in new.slots(ofRank: rank) {
          let expert = Int(new.physicalToLogical[row][slot])
          guard present.insert(expert).inserted else { continue }
          let source = holders[expert].min {
            (nodes[$0] == nodes[rank] ? 0 : 1, sent[$0], $0)
              < (nodes[$1] == nodes[rank] ? 0 : 1, sent[$1], $1)
          }
          transfers.append(
            Transfer(
              layerRow: row, expert: expert, source: source, destination: rank, slot: slot))
          guard let source else { continue }
          sent[source] += 1
          received[rank] += 1
          offNode += nodes[source] == nodes[rank] ? 0 : 1
        }
      }
    }
    self.transfers = transfers
    sentPerRank = sent
    receivedPerRank = received
    self.offNode = offNode
  }
}
