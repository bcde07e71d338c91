// SPDX-License-Identifier: Apache-2.0
// epsim: which rows a rank copies besides those that it sends.

internal import CostModel
internal import Placement

/// Rows that each rank writes, passes on and adds up in a layer, by what travels of a token.
///
/// As runs do it: with `node` the copy for the own node is written while rows travel, and every
/// copy is passed on to all of its node's ranks that want it, the passing rank included.
struct CopiedRows: Sendable {
  /// [R] written by pack.
  private(set) var packed: [Int]
  /// [R] written during dispatch, for the rank's own node.
  private(set) var encoded: [Int]
  /// [R] copied for the ranks of the node, itself included; only with `node`.
  private(set) var passedOn: [Int]
  /// [R] copied from where they were packed to where they would have arrived.
  private(set) var own: [Int]
  /// [R] taken in from all ranks, to be passed on; only with `node`.
  private(set) var taken: [Int]
  /// [R] written by ungroup.
  private(set) var returned: [Int]
  /// [R] that reduce adds up.
  private(set) var reduced: [Int]
  /// [R] results that stay.
  private(set) var ownResults: [Int]

  init(_ traffic: LayerTraffic, dedup: Dedup, combine: CombineRule) {
    let ranks = 0..<traffic.topology.rankCount
    let none = ranks.map { _ in 0 }
    (encoded, passedOn, taken) = (none, none, none)
    let copies = dedup == .none ? traffic.raw : traffic.rankDedup
    packed = copies.rowSums
    own = ranks.map { copies[$0, $0] }
    let results = combine == .exact ? traffic.raw : copies
    returned = results.columnSums
    reduced = results.rowSums
    ownResults = ranks.map { results[$0, $0] }
    if dedup == .node { passOn(traffic, combine) }
  }

  /// Takes the second hop into account.
  private mutating func passOn(_ traffic: LayerTraffic, _ combine: CombineRule) {
    let topology = traffic.topology
    let (ranks, nodes) = (topology.rankCount, topology.nodeCount)
    let partners = NodePartners(topology)
    for source in 0..<ranks {
      let home = topology.nodeOfRank[source]
      let copies = traffic.nodeDedup[source * nodes..<(source + 1) * nodes]
      encoded[source] = copies[source * nodes + home]
      packed[source] = copies.reduce(0, +) - encoded[source]
      own[source] = 0
      if combine == .preReduced {
        reduced[source] = copies.reduce(0, +)
        ownResults[source] = encoded[source]
      }
    }
    for source in 0..<ranks {
      let takers = (0..<nodes).map { partners.partner(of: source, on: $0) }
      for node in 0..<nodes { taken[takers[node]] += traffic.nodeDedup[source * nodes + node] }
      for destination in 0..<ranks {
        let (taker, copies) = (
          takers[topology.nodeOfRank[destination]], traffic.rankDedup[source, destination]
        )
        passedOn[taker] += copies
        if taker == destination { own[taker] += copies }
      }
    }
  }
}
