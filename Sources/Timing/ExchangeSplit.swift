// SPDX-License-Identifier: Apache-2.0
// epsim: how much of an exchange was waiting for a late rank.

/// One exchange of one rank, split into waiting and transfer.
///
/// With E_i the entry and X_i the exit of rank i on aligned clocks and every rank a partner
/// (`MPI_Alltoallv` blocks on partners without bytes too): T_i = X_i - E_i,
/// wait_i = min(max_j E_j - E_i, T_i), transfer_i = T_i - wait_i. Transfer is a lower bound for
/// the time on the wire: early ranks may already transfer among themselves while they wait.
/// Source: "Wait at N x N" of the Scalasca patterns, restricted to entry stamps.
public struct ExchangeSplit: Sendable, Equatable {
  /// Time until the last partner had entered, nanoseconds.
  public let wait: Int64
  /// Time after that, nanoseconds.
  public let transfer: Int64
  /// Both together, nanoseconds; exact, for it is read on one clock.
  public var total: Int64 { wait + transfer }

  /// Splits one exchange of all ranks.
  ///
  /// Shapes: `entries` and `exits` [R], nanoseconds on aligned clocks; result [R].
  public static func split(entries: [Int64], exits: [Int64]) -> [ExchangeSplit] {
    precondition(entries.count == exits.count, "\(entries.count) entries, \(exits.count) exits")
    let last = entries.max() ?? 0
    return zip(entries, exits).map { entry, exit in
      let wait = min(last - entry, exit - entry)
      return ExchangeSplit(wait: wait, transfer: exit - entry - wait)
    }
  }
}
