// SPDX-License-Identifier: Apache-2.0
// epsim: what an exchange moves through the ports of every rank.

/// Copies and messages that leave and enter every rank in one direction of an exchange, inside its
/// node and between nodes.
///
/// Copies that stay on their rank are no load. Copies may be fractions: expected values. A port
/// moves `copies * bytesPerCopy + messages * bytesPerMessage` bytes.
/// Port serialisation needs no more of a traffic matrix than these sums.
public struct PortLoads: Sendable, Equatable {
  /// One direction of one level of ports.
  public struct Side: Sendable, Equatable {
    /// [R], or one for each leaf.
    public internal(set) var copies: [Double]
    /// [R], or one for each leaf; blocks of copies, one for each pair of ranks that has any.
    public internal(set) var messages: [Double]

    init(count: Int) {
      copies = Array(repeating: 0, count: count)
      messages = Array(repeating: 0, count: count)
    }
  }

  /// Where the ranks are.
  public let topology: Topology
  /// Nodes that hang on a leaf switch, consecutive; nil where leaves are not counted.
  public let nodesPerLeaf: Int?
  /// A row with what travels beside it.
  public var bytesPerCopy: Bytes
  /// What travels beside a block of rows.
  public var bytesPerMessage: Bytes

  /// [R] to other ranks of the node.
  public internal(set) var insideEgress: Side
  /// [R] from other ranks of the node.
  public internal(set) var insideIngress: Side
  /// [R] to other nodes.
  public internal(set) var betweenEgress: Side
  /// [R] from other nodes.
  public internal(set) var betweenIngress: Side
  /// [leaves] to nodes of other leaves; empty where leaves are not counted.
  public internal(set) var leafEgress: Side
  /// [leaves] from nodes of other leaves; empty where leaves are not counted.
  public internal(set) var leafIngress: Side

  /// No load.
  /// - Precondition: `nodesPerLeaf` is at least 1.
  public init(
    topology: Topology, nodesPerLeaf: Int? = nil, bytesPerCopy: Bytes,
    bytesPerMessage: Bytes = .zero
  ) {
    precondition(nodesPerLeaf ?? 1 >= 1, "\(nodesPerLeaf ?? 1) nodes per leaf")
    self.topology = topology
    self.nodesPerLeaf = nodesPerLeaf
    self.bytesPerCopy = bytesPerCopy
    self.bytesPerMessage = bytesPerMessage
    let ranks = Side(count: topology.rankCount)
    (insideEgress, insideIngress, betweenEgress, betweenIngress) = (ranks, ranks, ranks, ranks)
    let leaves = Side(
      count: nodesPerLeaf.map { (topology.nodeCount + $0 - 1) / $0 } ?? 0)
    (leafEgress, leafIngress) = (leaves, leaves)
  }

  /// Adds copies and messages on their way from one rank to another; takes them away where they are
  /// negative. What stays on its rank is no load.
  ///
  /// Whole numbers add up without rounding, so that what was added can be taken away again.
  public mutating func add(
    copies: Double, messages: Double, from source: Int, to destination: Int
  ) {
    guard source != destination else { return }
    let (home, goal) = (topology.nodeOfRank[source], topology.nodeOfRank[destination])
    guard home != goal else {
      insideEgress.change(copies, messages, at: source)
      insideIngress.change(copies, messages, at: destination)
      return
    }
    betweenEgress.change(copies, messages, at: source)
    betweenIngress.change(copies, messages, at: destination)
    guard let nodesPerLeaf, home / nodesPerLeaf != goal / nodesPerLeaf else { return }
    leafEgress.change(copies, messages, at: home / nodesPerLeaf)
    leafIngress.change(copies, messages, at: goal / nodesPerLeaf)
  }

  /// Bytes that pass a port of one side.
  public func bytes(_ side: KeyPath<PortLoads, Side>, at index: Int) -> Bytes {
    let side = self[keyPath: side]
    return bytesPerCopy * side.copies[index] + bytesPerMessage * side.messages[index]
  }

  /// [N] bytes that the ranks of each node pass through one side of their ports together.
  public func bytesPerNode(_ side: KeyPath<PortLoads, Side>) -> [Bytes] {
    var sums = Array(repeating: Bytes.zero, count: topology.nodeCount)
    for (rank, node) in topology.nodeOfRank.enumerated() { sums[node] += bytes(side, at: rank) }
    return sums
  }

  /// The way back: every copy returns where it came from, with bytes of its own.
  public func reversed(bytesPerCopy: Bytes, bytesPerMessage: Bytes = .zero) -> PortLoads {
    var back = self
    (back.insideEgress, back.insideIngress) = (insideIngress, insideEgress)
    (back.betweenEgress, back.betweenIngress) = (betweenIngress, betweenEgress)
    (back.leafEgress, back.leafIngress) = (leafIngress, leafEgress)
    (back.bytesPerCopy, back.bytesPerMessage) = (bytesPerCopy, bytesPerMessage)
    return back
  }
}

extension PortLoads.Side {
  /// Adds to both sums; without messages there are no copies, whatever rounding left.
  mutating func change(_ copies: Double, _ messages: Double, at index: Int) {
    self.messages[index] += messages
    self.copies[index] = self.messages[index] > 0 ? max(0, self.copies[index] + copies) : 0
  }
}
