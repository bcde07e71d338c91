// SPDX-License-Identifier: Apache-2.0
// epsim: the independent knobs of an exchange, as they are named everywhere.

/// Which copies of a token row travel to the experts.
public enum Dedup: String, Sendable, CaseIterable, Codable {
  /// One per assignment.
  case none
  /// One per destination rank, which expands it to its experts.
  case rank
  /// One per destination node, to one rank of it, which fans it out inside the node.
  case node
}

/// How rows travel.
public enum Transport: String, Sendable, CaseIterable, Codable {
  /// `MPI_Alltoallv`: the baseline.
  case allToAllV = "alltoallv"
  /// Rotated non-blocking messages; ranks without rows for each other exchange none.
  case pointToPoint = "p2p"
  /// Shared memory inside a node, `MPI_Alltoallv` between nodes.
  case sharedAllToAllV = "shm+alltoallv"
  /// Shared memory inside a node, non-blocking messages between nodes.
  case sharedPointToPoint = "shm+p2p"
  /// `MPI_Alltoall`, every block as large as the largest: the way of Tutel and DeepSpeed.
  case padded
  /// Every row to every rank, sums back by `MPI_Reduce_scatter`: a default of serving engines.
  case allGather = "allgather"

  /// Whether the ranks of a node exchange rows through shared memory.
  public var sharesMemory: Bool { self == .sharedAllToAllV || self == .sharedPointToPoint }

  /// How rows travel between nodes.
  public var betweenNodes: Transport {
    switch self {
    case .sharedAllToAllV: .allToAllV
    case .sharedPointToPoint: .pointToPoint
    default: self
    }
  }
}

/// What returns from the experts.
public enum CombineRule: String, Sendable, CaseIterable, Codable {
  /// One row per assignment, added up by the token's rank in ascending k.
  case exact
  /// One weighted sum per copy that was sent: fewer bytes, another order of summation.
  case preReduced = "pre-reduced"
}
