// SPDX-License-Identifier: Apache-2.0
// epsim: the sums of a traffic matrix that comes row by row.

/// Adds up rows of a traffic matrix into the loads of ports, without keeping the matrix.
///
/// Rows hold the D ranks that can get copies. One takes a pass over all of them and one over those
/// of its own node and leaf.
struct PortLoadRows {
  private(set) var loads: PortLoads
  /// [D] ranks that can get copies, ascending.
  private let destinations: [Int]
  /// [R] where each rank is among them; -1 where it is not.
  private let placeOfRank: [Int]
  /// Places in ``destinations``, by node.
  private let nodes: RankGroups
  /// The same by leaf.
  private let leaves: RankGroups
  private let leafOfRank: [Int]
  /// [D] what each destination gets, wherever from.
  private var columns: PortLoads.Side

  /// - Parameter destinations: ascending.
  init(_ empty: PortLoads, destinations: [Int]) {
    loads = empty
    self.destinations = destinations
    let topology = empty.topology
    var places = Array(repeating: -1, count: topology.rankCount)
    for (place, rank) in destinations.enumerated() { places[rank] = place }
    placeOfRank = places
    leafOfRank = empty.nodesPerLeaf.map { size in topology.nodeOfRank.map { $0 / size } } ?? []
    nodes = RankGroups(
      groupOfRank: destinations.map { topology.nodeOfRank[$0] }, count: topology.nodeCount)
    leaves = RankGroups(
      groupOfRank: leafOfRank.isEmpty ? [] : destinations.map { [leafOfRank] in leafOfRank[$0] },
      count: empty.leafEgress.copies.count)
    columns = PortLoads.Side(count: destinations.count)
  }

  /// Adds what a rank sends; every rank once.
  ///
  /// Shape: `row` [D] copies for each destination, finite, not negative.
  mutating func add(_ row: UnsafePointer<Double>, from source: Int) {
    let (copies, messages) = (
      row.addUp(count: destinations.count, into: &columns.copies),
      row.countUp(count: destinations.count, into: &columns.messages)
    )
    let ownPlace = placeOfRank[source]
    var inside = (copies: 0.0, messages: 0.0)
    for place in nodes[loads.topology.nodeOfRank[source]] where place != ownPlace {
      guard row[place] > 0 else { continue }
      inside.copies += row[place]
      inside.messages += 1
      loads.insideIngress.copies[destinations[place]] += row[place]
      loads.insideIngress.messages[destinations[place]] += 1
    }
    loads.insideEgress.copies[source] = inside.copies
    loads.insideEgress.messages[source] = inside.messages
    var own = 0.0
    if ownPlace >= 0, row[ownPlace] > 0 {
      own = row[ownPlace]
      columns.copies[ownPlace] -= own
      columns.messages[ownPlace] -= 1
    }
    loads.betweenEgress.set(
      copies - own - inside.copies, messages - (own > 0 ? 1 : 0) - inside.messages, at: source)
    if !leafOfRank.isEmpty { addLeaf(row, from: source) }
  }

  /// What leaves the node is taken off again where it stays in the leaf.
  private mutating func addLeaf(_ row: UnsafePointer<Double>, from source: Int) {
    let leaf = leafOfRank[source]
    let home = loads.topology.nodeOfRank[source]
    var staying = (copies: 0.0, messages: 0.0)
    for place in leaves[leaf] {
      guard row[place] > 0, loads.topology.nodeOfRank[destinations[place]] != home else {
        continue
      }
      staying.copies += row[place]
      staying.messages += 1
    }
    loads.leafEgress.copies[leaf] += loads.betweenEgress.copies[source] - staying.copies
    loads.leafEgress.messages[leaf] += loads.betweenEgress.messages[source] - staying.messages
    loads.leafIngress.copies[leaf] -= staying.copies
    loads.leafIngress.messages[leaf] -= staying.messages
  }

  /// The loads of all rows that were added.
  mutating func finish() -> PortLoads {
    for (place, rank) in destinations.enumerated() {
      loads.betweenIngress.set(
        columns.copies[place] - loads.insideIngress.copies[rank],
        columns.messages[place] - loads.insideIngress.messages[rank], at: rank)
    }
    for (rank, leaf) in leafOfRank.enumerated() {
      loads.leafIngress.copies[leaf] += loads.betweenIngress.copies[rank]
      loads.leafIngress.messages[leaf] += loads.betweenIngress.messages[rank]
    }
    for leaf in loads.leafEgress.copies.indices {
      let (egress, ingress) = (loads.leafEgress, loads.leafIngress)
      loads.leafEgress.set(egress.copies[leaf], egress.messages[leaf], at: leaf)
      loads.leafIngress.set(ingress.copies[leaf], ingress.messages[leaf], at: leaf)
    }
    return loads
  }
}

extension PortLoads.Side {
  /// Sets a difference of sums: without messages there are no copies, whatever rounding left.
  fileprivate mutating func set(_ copies: Double, _ messages: Double, at index: Int) {
    self.copies[index] = messages > 0 ? max(0, copies) : 0
    self.messages[index] = messages
  }
}
