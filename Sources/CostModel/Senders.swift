// SPDX-License-Identifier: Apache-2.0
// epsim: whom a rank waits for in an exchange.

/// The ranks that each rank waits for before rows can have arrived.
public enum Senders: Sendable, Equatable {
  /// All: a collective.
  case everyone
  /// For rank r `ranks[offsets[r] ..< offsets[r + 1]]`, itself left out: messages.
  case listed(offsets: [Int], ranks: [Int32])

  /// Those that have copies for each rank.
  public init(_ traffic: TrafficMatrix) {
    self.init(rankCount: traffic.rankCount) { traffic[$0, $1] > 0 }
  }

  /// Those to which each rank has sent copies: they return results.
  public init(returning traffic: TrafficMatrix) {
    self.init(rankCount: traffic.rankCount) { traffic[$1, $0] > 0 }
  }

  private init(rankCount: Int, sends: (Int, Int) -> Bool) {
    var (offsets, ranks) = ([0], [Int32]())
    for receiver in 0..<rankCount {
      for sender in 0..<rankCount where sender != receiver && sends(sender, receiver) {
        ranks.append(Int32(sender))
      }
      offsets.append(ranks.count)
    }
    self = .listed(offsets: offsets, ranks: ranks)
  }
}
