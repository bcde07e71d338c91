// SPDX-License-Identifier: Apache-2.0
// epsim: loads of ports from traffic matrices, counts per expert and sums per node.

extension PortLoads {
  /// Loads of an exchange that sends every copy straight to its rank, a message per pair of ranks.
  ///
  /// - Precondition: the topology has R ranks.
  public init(
    _ traffic: TrafficMatrix, topology: Topology, nodesPerLeaf: Int? = nil, bytesPerCopy: Bytes,
    bytesPerMessage: Bytes = .zero
  ) {
    let ranks = traffic.rankCount
    precondition(topology.rankCount == ranks, "\(topology.rankCount) ranks for \(ranks)")
    var rows = PortLoadRows(
      PortLoads(
        topology: topology, nodesPerLeaf: nodesPerLeaf, bytesPerCopy: bytesPerCopy,
        bytesPerMessage: bytesPerMessage), destinations: Array(0..<ranks))
    withUnsafeTemporaryAllocation(of: Double.self, capacity: ranks) { row in
      traffic.counts.withUnsafeBufferPointer { counts in
        for source in 0..<ranks {
          let first = source * ranks
          for destination in 0..<ranks {
            row.initializeElement(at: destination, to: Double(counts[first + destination]))
          }
          rows.add(row.baseAddress!, from: source)
        }
      }
    }
    self = rows.finish()
  }

  /// Loads of an exchange that sends a copy per assignment straight to the rank of its slot.
  ///
  /// Shape: `rankOfSlot` [S].
  /// - Precondition: the topology has R ranks; every slot has one of them.
  public init(
    _ counts: SourceCounts, rankOfSlot: [Int], topology: Topology, nodesPerLeaf: Int? = nil,
    bytesPerCopy: Bytes, bytesPerMessage: Bytes = .zero
  ) {
    let (ranks, slots) = (topology.rankCount, rankOfSlot.count)
    precondition(
      counts.rankCount == ranks && counts.slotCount == slots
        && rankOfSlot.allSatisfy { 0..<ranks ~= $0 },
      "\(counts.rankCount) ranks and \(counts.slotCount) slots for \(ranks) and \(slots)")
    // Ranks with slots, and for each slot the place of its rank among them.
    let hosts = Set(rankOfSlot).sorted()
    var placeOfRank = Array(repeating: 0, count: ranks)
    for (place, rank) in hosts.enumerated() { placeOfRank[rank] = place }
    let placeOfSlot = rankOfSlot.map { placeOfRank[$0] }
    var rows = PortLoadRows(
      PortLoads(
        topology: topology, nodesPerLeaf: nodesPerLeaf, bytesPerCopy: bytesPerCopy,
        bytesPerMessage: bytesPerMessage), destinations: hosts)
    withUnsafeTemporaryAllocation(of: Double.self, capacity: max(1, hosts.count)) { row in
      counts.values.withUnsafeBufferPointer { values in
        placeOfSlot.withUnsafeBufferPointer { placeOfSlot in
          for source in 0..<ranks {
            row.initialize(repeating: 0)
            let first = source * slots
            for slot in 0..<slots { row[placeOfSlot[slot]] += values[first + slot] }
            rows.add(row.baseAddress!, from: source)
          }
        }
      }
    }
    self = rows.finish()
  }

  /// Loads from the sums of a traffic matrix, for rank counts whose matrix is too large.
  ///
  /// Shapes: `sent` [R, N] copies from each rank to each node; `received` [R, N] copies to each rank
  /// from each node, both with what stays on its rank; `own` [R] what stays. Not told is how many
  /// ranks of a node share its copies: all of them, or as many as there are copies.
  /// - Precondition: these shapes.
  public init(
    sent: [Double], received: [Double], own: [Double], topology: Topology,
    nodesPerLeaf: Int? = nil, bytesPerCopy: Bytes, bytesPerMessage: Bytes = .zero
  ) {
    let (ranks, nodes) = (topology.rankCount, topology.nodeCount)
    precondition(
      sent.count == ranks * nodes && received.count == ranks * nodes && own.count == ranks,
      "\(sent.count), \(received.count) and \(own.count) sums for \(ranks) ranks, \(nodes) nodes")
    self.init(
      topology: topology, nodesPerLeaf: nodesPerLeaf, bytesPerCopy: bytesPerCopy,
      bytesPerMessage: bytesPerMessage)
    let groups = RankGroups(groupOfRank: topology.nodeOfRank, count: nodes)
    let sizes = (0..<nodes).map { Double(groups.size($0)) }
    add(sent, own, sizes, inside: \.insideEgress, between: \.betweenEgress, leaf: \.leafEgress)
    add(
      received, own, sizes, inside: \.insideIngress, between: \.betweenIngress,
      leaf: \.leafIngress)
  }

  /// One direction: [R, N] sums and [N] ranks of each node.
  private mutating func add(
    _ sums: [Double], _ own: [Double], _ sizes: [Double], inside: WritableKeyPath<PortLoads, Side>,
    between: WritableKeyPath<PortLoads, Side>, leaf: WritableKeyPath<PortLoads, Side>
  ) {
    let nodes = sizes.count
    // Without leaves, all nodes are one.
    let leafSize = min(nodesPerLeaf ?? nodes, nodes)
    for (rank, home) in topology.nodeOfRank.enumerated() {
      let first = rank * nodes
      let near = max(0, sums[first + home] - own[rank])
      self[keyPath: inside].copies[rank] = near
      self[keyPath: inside].messages[rank] = min(near, sizes[home] - 1)
      let ownLeaf = home / leafSize * leafSize
      let ownNodes = ownLeaf..<min(ownLeaf + leafSize, nodes)
      let before = Self.sum(sums, first, sizes, 0..<ownLeaf)
      let after = Self.sum(sums, first, sizes, ownNodes.upperBound..<nodes)
      let left = Self.sum(sums, first, sizes, ownLeaf..<home)
      let right = Self.sum(sums, first, sizes, home + 1..<ownNodes.upperBound)
      let far = (before.copies + after.copies, before.messages + after.messages)
      self[keyPath: between].copies[rank] = far.0 + left.copies + right.copies
      self[keyPath: between].messages[rank] = far.1 + left.messages + right.messages
      guard nodesPerLeaf != nil else { continue }
      self[keyPath: leaf].copies[ownLeaf / leafSize] += far.0
      self[keyPath: leaf].messages[ownLeaf / leafSize] += far.1
    }
  }

  /// Copies of a rank for some nodes, and messages that carry them.
  private static func sum(
    _ sums: [Double], _ first: Int, _ sizes: [Double], _ nodes: Range<Int>
  ) -> (copies: Double, messages: Double) {
    let (copies, messages) = sums.withUnsafeBufferPointer { sums in
      sizes.withUnsafeBufferPointer { sizes in
        (sums.baseAddress! + first + nodes.lowerBound).sums(
          count: nodes.count, limits: sizes.baseAddress! + nodes.lowerBound)
      }
    }
    return (copies, messages)
  }
}
