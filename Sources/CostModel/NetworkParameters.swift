// SPDX-License-Identifier: Apache-2.0
// epsim: the links between ranks: inside a node, between nodes, above them.

/// Everything that the time of an exchange depends on besides what it moves.
///
/// Two levels of ports, inside a node and between nodes, and what several ranks share: a port,
/// a node's memory, the uplinks of a leaf switch. An absent limit is infinite.
public struct NetworkParameters: Sendable, Hashable {
  /// Each exchange, whatever it moves.
  public var fixed: Seconds
  /// Each exchange times (1 - 1/N): what more nodes cost beyond their bytes.
  public var perNodeShare: Seconds
  /// A rank's port to the ranks of its node, per direction.
  public var inside: LinkParameters
  /// All bytes that the ranks of a node exchange inside it, a byte from one to another counted once.
  public var insideTotal: BytesPerSecond
  /// A port between nodes, per direction.
  public var between: LinkParameters
  /// Ranks of a node that share a port between nodes; at least 1.
  public var ranksPerPort: Int
  /// All bytes that leave a node, or enter it.
  public var nodeTotal: BytesPerSecond
  /// Switches above the nodes; nil where nothing above them binds.
  public var leaves: LeafLevel?
  /// What is left of the bandwidth while experts compute, 0 to 1.
  public var overlapFactor: Double

  /// Switches that nodes hang on.
  public struct LeafLevel: Sendable, Hashable {
    public var nodesPerLeaf: Int
    /// All bytes that leave a leaf, or enter it.
    public var uplinks: BytesPerSecond

    public init(nodesPerLeaf: Int, uplinks: BytesPerSecond) {
      self.nodesPerLeaf = nodesPerLeaf
      self.uplinks = uplinks
    }
  }

  public init(
    fixed: Seconds = .zero, perNodeShare: Seconds = .zero, inside: LinkParameters,
    insideTotal: BytesPerSecond = .infinity, between: LinkParameters, ranksPerPort: Int = 1,
    nodeTotal: BytesPerSecond = .infinity, leaves: LeafLevel? = nil, overlapFactor: Double = 1
  ) {
    self.fixed = fixed
    self.perNodeShare = perNodeShare
    self.inside = inside
    self.insideTotal = insideTotal
    self.between = between
    self.ranksPerPort = ranksPerPort
    self.nodeTotal = nodeTotal
    self.leaves = leaves
    self.overlapFactor = overlapFactor
  }
}
