// SPDX-License-Identifier: Apache-2.0
// epsim: from copies of bundles to what passes the ports.

internal import CostModel

/// Port loads of the copies of a ``BundleTally``: what a change touches is taken off before it and
/// put back after it.
struct BundlePorts: Sendable {
  let dedup: Dedup
  let combine: CombineRule
  private(set) var dispatch: PortLoads
  /// Assignments, whose results return one by one; empty where sums return instead.
  private var results: PortLoads
  /// [R, N] the rank that takes in what a rank sends to a node.
  private let partners: [Int]
  /// [R] room for what ranks of a node pass on.
  private var passedOn: [Int]

  init(_ none: PortLoads, dedup: Dedup, combine: CombineRule) {
    (self.dedup, self.combine) = (dedup, combine)
    (dispatch, results) = (none, none)
    let topology = none.topology
    let rule = NodePartners(topology)
    partners = (0..<topology.rankCount).flatMap { source in
      (0..<topology.nodeCount).map { rule.partner(of: source, on: $0) }
    }
    passedOn = Array(repeating: 0, count: topology.rankCount)
  }

  /// What combine sends back to where it came from.
  var returning: PortLoads { returnsEachResult ? results : dispatch }

  private var returnsEachResult: Bool { combine == .exact && dedup != .none }

  /// Adds what goes to some ranks and their nodes, or takes it away.
  ///
  /// - Parameters:
  ///   - hosts: ranks, each once.
  ///   - sign: 1 or -1.
  mutating func add(_ tally: borrowing BundleTally, hosts: [Int], sign: Double) {
    let nodeOfRank = dispatch.topology.nodeOfRank
    for (index, host) in hosts.enumerated() {
      switch dedup {
      case .none: Self.add(tally.raw, to: host, sign, &dispatch)
      case .rank: Self.add(tally.rankCopies, to: host, sign, &dispatch)
      case .node:
        let node = nodeOfRank[host]
        passOn(tally.rankCopies, to: host, on: node, sign)
        if !hosts[..<index].contains(where: { nodeOfRank[$0] == node }) {
          send(tally.nodeCopies, to: node, sign)
        }
      }
      if returnsEachResult { Self.add(tally.raw, to: host, sign, &results) }
    }
  }

  /// A row of a matrix whose copies go straight to their rank.
  private static func add(
    _ matrix: [Int], to host: Int, _ sign: Double, _ loads: inout PortLoads
  ) {
    let ranks = loads.topology.rankCount
    for source in 0..<ranks where matrix[host * ranks + source] > 0 {
      loads.add(
        copies: sign * Double(matrix[host * ranks + source]), messages: sign, from: source,
        to: host)
    }
  }

  /// The first hop: copies for a node go to the source's partner there.
  private mutating func send(_ nodeCopies: [Int], to node: Int, _ sign: Double) {
    let (ranks, nodes) = (dispatch.topology.rankCount, dispatch.topology.nodeCount)
    for source in 0..<ranks where nodeCopies[node * ranks + source] > 0 {
      dispatch.add(
        copies: sign * Double(nodeCopies[node * ranks + source]), messages: sign, from: source,
        to: partners[source * nodes + node])
    }
  }

  /// The second hop: partners pass on, in one message each, all that a rank of their node gets.
  private mutating func passOn(
    _ rankCopies: [Int], to host: Int, on node: Int, _ sign: Double
  ) {
    let (ranks, nodes) = (dispatch.topology.rankCount, dispatch.topology.nodeCount)
    for source in 0..<ranks {
      passedOn[partners[source * nodes + node]] += rankCopies[host * ranks + source]
    }
    for partner in 0..<ranks where passedOn[partner] > 0 {
      dispatch.add(
        copies: sign * Double(passedOn[partner]), messages: sign, from: partner, to: host)
      passedOn[partner] = 0
    }
  }
}
