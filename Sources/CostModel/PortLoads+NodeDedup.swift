// SPDX-License-Identifier: Apache-2.0
// epsim: loads of ports where one copy per node travels and is passed on inside it.

extension PortLoads {
  /// Loads of `--dedup node`: copies go to the source's partner on each node, which passes them on
  /// to the ranks of its node.
  ///
  /// A rank passes on its own node's copies itself. Between nodes a message is what a rank sends to
  /// a partner; inside one it is all that a rank passes on to another, of whatever source.
  /// Shapes: `copies` [R, N] from each rank to each node, its own included; `passedOn` [R, R] a copy
  /// per token and destination rank.
  /// - Precondition: these shapes.
  /// Source: DeepEP's normal kernels; the rule of partners is that of runs.
  public init(
    nodeDedup copies: [Int], passedOn: TrafficMatrix, topology: Topology,
    nodesPerLeaf: Int? = nil, bytesPerCopy: Bytes, bytesPerMessage: Bytes = .zero
  ) {
    let (ranks, nodes) = (topology.rankCount, topology.nodeCount)
    precondition(
      copies.count == ranks * nodes && passedOn.rankCount == ranks,
      "\(copies.count) copies and \(passedOn.rankCount) ranks for \(ranks) ranks, \(nodes) nodes")
    self.init(
      topology: topology, nodesPerLeaf: nodesPerLeaf, bytesPerCopy: bytesPerCopy,
      bytesPerMessage: bytesPerMessage)
    let partners = NodePartners(topology)
    let groups = RankGroups(groupOfRank: topology.nodeOfRank, count: nodes)
    // [R, largest node] what a rank passes on to each place of its node.
    let width = (0..<nodes).map { groups.size($0) }.max() ?? 1
    var fanned = Array(repeating: 0.0, count: ranks * width)
    for source in 0..<ranks {
      for node in 0..<nodes {
        let partner = partners.partner(of: source, on: node)
        send(copies[source * nodes + node], from: source, to: partner)
        for destination in groups[node] {
          fanned[partner * width + groups.places[destination]] += Double(
            passedOn[source, destination])
        }
      }
    }
    for rank in 0..<ranks {
      for destination in groups[topology.nodeOfRank[rank]] where destination != rank {
        let copies = fanned[rank * width + groups.places[destination]]
        guard copies > 0 else { continue }
        insideEgress.add(copies, at: rank)
        insideIngress.add(copies, at: destination)
      }
    }
  }

  /// The first hop; nothing on the rank's own node.
  private mutating func send(_ copies: Int, from source: Int, to partner: Int) {
    guard copies > 0, partner != source else { return }
    betweenEgress.add(Double(copies), at: source)
    betweenIngress.add(Double(copies), at: partner)
    guard let nodesPerLeaf else { return }
    let leaves = (
      topology.nodeOfRank[source] / nodesPerLeaf, topology.nodeOfRank[partner] / nodesPerLeaf
    )
    guard leaves.0 != leaves.1 else { return }
    leafEgress.add(Double(copies), at: leaves.0)
    leafIngress.add(Double(copies), at: leaves.1)
  }
}

extension PortLoads.Side {
  /// Adds a message.
  fileprivate mutating func add(_ copies: Double, at index: Int) {
    self.copies[index] += copies
    messages[index] += 1
  }
}
