// SPDX-License-Identifier: Apache-2.0
// epsim: how many copies each rank sends to each rank.

/// Copies of token rows from every source rank to every destination rank.
public struct TrafficMatrix: Sendable, Equatable {
  /// R, the ranks.
  public let rankCount: Int
  /// [R, R] copies, row = source, column = destination; row-major.
  public private(set) var counts: [Int]

  /// No traffic.
  public init(rankCount: Int) {
    precondition(rankCount >= 1, "\(rankCount) ranks")
    self.rankCount = rankCount
    counts = Array(repeating: 0, count: rankCount * rankCount)
  }

  /// The given traffic.
  /// - Precondition: `counts` has R x R entries.
  public init(rankCount: Int, counts: [Int]) {
    precondition(
      rankCount >= 1 && counts.count == rankCount * rankCount,
      "\(counts.count) counts for \(rankCount) ranks")
    self.rankCount = rankCount
    self.counts = counts
  }

  /// Copies from a source to a destination.
  public subscript(source: Int, destination: Int) -> Int {
    get { counts[source * rankCount + destination] }
    set { counts[source * rankCount + destination] = newValue }
  }

  /// [R] copies that each rank sends, its own included.
  public var rowSums: [Int] {
    (0..<rankCount).map { source in
      counts[source * rankCount..<(source + 1) * rankCount].reduce(0, +)
    }
  }

  /// [R] copies that each rank receives, its own included.
  public var columnSums: [Int] {
    (0..<rankCount).map { destination in
      (0..<rankCount).reduce(0) { $0 + self[$1, destination] }
    }
  }

  /// The way back: every copy to where it came from.
  public var transposed: TrafficMatrix {
    var back = TrafficMatrix(rankCount: rankCount)
    for source in 0..<rankCount {
      for destination in 0..<rankCount {
        back.counts[destination * rankCount + source] = counts[source * rankCount + destination]
      }
    }
    return back
  }

  /// All copies.
  public var total: Int { counts.reduce(0, +) }
  /// Copies that stay on their rank.
  public var local: Int { (0..<rankCount).reduce(0) { $0 + self[$1, $1] } }
  /// Copies that leave their rank.
  public var offRank: Int { total - local }

  /// Copies that leave their node.
  /// - Precondition: the topology has R ranks.
  public func offNode(_ topology: Topology) -> Int {
    precondition(
      topology.rankCount == rankCount, "\(topology.rankCount) ranks for \(rankCount)")
    var sum = 0
    for source in 0..<rankCount {
      for destination in 0..<rankCount
      where topology.nodeOfRank[source] != topology.nodeOfRank[destination] {
        sum += self[source, destination]
      }
    }
    return sum
  }

  /// Adds traffic between the same ranks.
  /// - Precondition: both have the same R.
  public static func += (left: inout TrafficMatrix, right: TrafficMatrix) {
    precondition(
      left.rankCount == right.rankCount, "\(left.rankCount) and \(right.rankCount) ranks")
    for index in left.counts.indices { left.counts[index] += right.counts[index] }
  }
}
