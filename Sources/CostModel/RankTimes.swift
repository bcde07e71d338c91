// SPDX-License-Identifier: Apache-2.0
// epsim: times by phase and rank.

/// A part of a layer on one rank, in the order in which they run; waiting in an exchange is apart
/// from its transfer.
public enum RankPhase: Int, Sendable, CaseIterable {
  case route
  case plan
  /// Time that a rank loses, injected: a straggler.
  case delay
  case pack
  /// Until the last rank that sends to this one has entered dispatch.
  case dispatchWait
  case dispatchTransfer
  case group
  case expert
  case shared
  case ungroup
  /// Until the last rank that returns results has entered combine.
  case combineWait
  case combineTransfer
  case reduce
}

/// Seconds of each phase on each rank.
public struct RankTimes: Sendable, Equatable {
  /// R.
  public let rankCount: Int
  /// [phases, R] s.
  public internal(set) var values: [Double]

  /// No time at all.
  public init(rankCount: Int) {
    self.rankCount = rankCount
    values = Array(repeating: 0, count: RankPhase.allCases.count * rankCount)
  }

  public subscript(phase: RankPhase, rank: Int) -> Seconds {
    get { Seconds(values[phase.rawValue * rankCount + rank]) }
    set { values[phase.rawValue * rankCount + rank] = newValue.value }
  }

  /// Sets a phase on every rank.
  public mutating func set(_ phase: RankPhase, _ time: (Int) -> Seconds) {
    for rank in 0..<rankCount { self[phase, rank] = time(rank) }
  }

  /// The largest of a phase over ranks.
  public func largest(_ phase: RankPhase) -> Seconds {
    (0..<rankCount).reduce(.zero) { max($0, self[phase, $1]) }
  }

  /// The mean of a phase over ranks.
  public func mean(_ phase: RankPhase) -> Seconds {
    (0..<rankCount).reduce(.zero) { $0 + self[phase, $1] } / Double(rankCount)
  }

  /// All phases of a rank.
  public func total(of rank: Int) -> Seconds {
    RankPhase.allCases.reduce(.zero) { $0 + self[$1, rank] }
  }

  /// Adds the times of another layer.
  /// - Precondition: both have the same R.
  public static func += (left: inout RankTimes, right: RankTimes) {
    precondition(
      left.rankCount == right.rankCount, "\(left.rankCount) and \(right.rankCount) ranks")
    for index in left.values.indices { left.values[index] += right.values[index] }
  }
}
