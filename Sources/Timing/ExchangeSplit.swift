// SPDX-License-Identifier: Apache-2.0
// epsim: how much of an exchange was waiting for a late rank.

/// The stamps of one exchange on one rank, nanoseconds on aligned clocks.
public struct ExchangeStamps: Sendable, Equatable {
  /// The rank is ready to exchange.
  public var entry: Int64
  /// It has left the barrier of barrier timing; follows the entry at once otherwise.
  public var entered: Int64
  /// The rows of the other ranks are there.
  public var arrived: Int64
  /// Its own rows are copied too.
  public var exit: Int64
  /// Bound on the error of this rank's aligned clock.
  public var clockError: Int64
  /// [R] when the last message to or from each rank was complete; the entry where there was none.
  /// Empty for a collective, which does not tell.
  public var completions: [Int64]
  /// The longest time that passed without a look at the messages, nanoseconds: by so much may a
  /// completion have been seen late.
  public var pollGap: Int64

  public init(
    entry: Int64, entered: Int64, arrived: Int64, exit: Int64, clockError: Int64,
    completions: [Int64] = [], pollGap: Int64 = 0
  ) {
    self.entry = entry
    self.entered = entered
    self.arrived = arrived
    self.exit = exit
    self.clockError = clockError
    self.completions = completions
    self.pollGap = pollGap
  }

  /// Whether a message to or from a rank, which is not this one, was complete after the entry.
  func hasPartner(_ rank: Int) -> Bool { completions[rank] > entry }
}

/// How waiting is told from transfer.
public enum ExchangeTiming: Sendable, Equatable {
  /// By aligned clocks: waiting ends when the last rank has entered, or, where completions are
  /// known, when one of the pending partners has.
  case clocks
  /// By a barrier before the exchange, as a cross-check: waiting is the time in the barrier beyond
  /// the time that a barrier takes where nobody is late, nanoseconds.
  case barrier(cost: Int64)
}

/// One exchange of one rank, split into waiting, transfer and the copy of the rank's own rows.
///
/// By clocks in a collective, with E_i the entry and A_i the arrival of rank i and every rank a
/// partner (`MPI_Alltoallv` blocks on partners without bytes too): wait_i = min(max_j E_j - E_i, A_i - E_i),
/// transfer_i = A_i - E_i - wait_i, self copy_i = X_i - A_i. Transfer is a lower bound for the time
/// on the wire: early ranks may already transfer among themselves while they wait.
/// Source: "Wait at N x N" of the Scalasca patterns, restricted to entry stamps.
///
/// By clocks with the completions c_j of partners j: a moment t counts as waiting while every
/// pending partner (t < c_j) has yet to enter (t < E_j), and as transfer otherwise. That is exact to
/// within clock errors and the poll gap.
///
/// By barrier, with E'_i the exit of the barrier and b its cost: wait_i = max(0, E'_i - E_i - b),
/// transfer_i = A_i - E'_i; ranks leave a barrier at different times, and that skew, which is known
/// to within two clock errors, bounds the error of transfer.
public struct ExchangeSplit: Sendable, Equatable {
  /// Time until the last partner had entered, nanoseconds.
  public let wait: Int64
  /// Time after that until all rows of other ranks were there, nanoseconds.
  public let transfer: Int64
  /// Copy of the rank's own rows, nanoseconds; read on one clock.
  public let selfCopy: Int64
  /// Cost of the barrier of barrier timing, nanoseconds.
  public let barrier: Int64
  /// Bound on what may belong to transfer instead of wait, or the other way round, nanoseconds.
  public let error: Int64
  /// The rank that this one waited for; nil where it did not wait. In a collective and by barrier
  /// the rank that entered last, the lowest of several; with completions the partner that it waited
  /// for longest, each moment of waiting belonging to the pending partner that then entered first.
  public let culprit: Int?
  /// All together, nanoseconds; exact, for it is read on one clock.
  public var total: Int64 { wait + transfer + selfCopy + barrier }

  /// Splits one exchange of all ranks. Shape: [R], also of the result.
  ///
  /// - Precondition: a rank that has completions has one of every rank.
  public static func split(
    _ stamps: [ExchangeStamps], timing: ExchangeTiming = .clocks
  ) -> [ExchangeSplit] {
    precondition(
      stamps.allSatisfy { $0.completions.isEmpty || $0.completions.count == stamps.count },
      "\(stamps.map(\.completions.count)) completions of \(stamps.count) ranks")
    let last = stamps.map(\.entry).max() ?? 0
    let lastRank = stamps.firstIndex { $0.entry == last } ?? 0
    return switch timing {
    case .clocks:
      stamps.indices.map { rank in
        stamps[rank].completions.isEmpty
          ? ofCollective(rank, stamps, lastRank: lastRank) : withPartners(rank, stamps)
      }
    case .barrier(let cost): byBarrier(stamps, cost: cost, lastRank: lastRank)
    }
  }

  private static func ofCollective(
    _ rank: Int, _ stamps: [ExchangeStamps], lastRank: Int
  ) -> ExchangeSplit {
    let own = stamps[rank]
    let wait = min(stamps[lastRank].entry - own.entry, own.arrived - own.entry)
    let others = stamps.indices.lazy.filter { $0 != rank }.map { stamps[$0].clockError }.max()
    return ExchangeSplit(
      wait: wait, transfer: own.arrived - own.entry - wait, selfCopy: own.exit - own.arrived,
      barrier: 0, error: others.map { own.clockError + $0 } ?? 0,
      culprit: wait > 0 ? lastRank : nil)
  }

  private static func withPartners(_ rank: Int, _ stamps: [ExchangeStamps]) -> ExchangeSplit {
    let own = stamps[rank]
    let waiting = PartnerWaiting(rank, stamps)
    return ExchangeSplit(
      wait: waiting.total, transfer: own.arrived - own.entry - waiting.total,
      selfCopy: own.exit - own.arrived, barrier: 0, error: waiting.error, culprit: waiting.culprit)
  }

  private static func byBarrier(
    _ stamps: [ExchangeStamps], cost: Int64, lastRank: Int
  ) -> [ExchangeSplit] {
    let clockErrors = stamps.map(\.clockError).sorted(by: >).prefix(2).reduce(0, +)
    let skew = barrierExitSkew(stamps) + (stamps.count > 1 ? clockErrors : 0)
    return stamps.enumerated().map { rank, own in
      let barrier = min(cost, own.entered - own.entry)
      let wait = own.entered - own.entry - barrier
      return ExchangeSplit(
        wait: wait, transfer: own.arrived - own.entered, selfCopy: own.exit - own.arrived,
        barrier: barrier, error: skew, culprit: rank != lastRank && wait > 0 ? lastRank : nil)
    }
  }

  /// How far apart the ranks left the barrier, nanoseconds.
  public static func barrierExitSkew(_ stamps: [ExchangeStamps]) -> Int64 {
    let exits = stamps.map(\.entered)
    return (exits.max() ?? 0) - (exits.min() ?? 0)
  }
}
