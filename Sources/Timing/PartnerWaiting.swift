// SPDX-License-Identifier: Apache-2.0
// epsim: how long one rank waited for late partners, from the completion of every message.

/// The waiting of one rank in an exchange whose messages complete one by one.
///
/// With partners in the order of their completions c_1 <= ... <= c_m, c_0 the entry and M_n the
/// earliest entry among the partners n ... m, which are pending after c_(n-1):
///
///     wait = sum over n of the length of [c_(n-1), c_n] up to M_n
///
/// So one partner that has entered makes time count as transfer, whoever else is late: its rows can
/// move. What the rank waits up to M_n is booked on the partner that enters then.
struct PartnerWaiting {
  /// Time in which every pending partner had yet to enter, nanoseconds.
  private(set) var total: Int64 = 0
  /// Bound on the error of ``total``, nanoseconds.
  let error: Int64
  /// The partner on which most of it is booked, the last of several; nil without waiting.
  private(set) var culprit: Int?

  /// - Precondition: the rank has a completion of every rank.
  init(_ rank: Int, _ stamps: [ExchangeStamps]) {
    let own = stamps[rank]
    // Among partners that were seen complete at once, those that entered early may have been
    // complete before the others.
    let partners = stamps.indices.filter { $0 != rank && own.hasPartner($0) }.sorted {
      (own.completions[$0], stamps[$0].entry) < (own.completions[$1], stamps[$1].entry)
    }
    // [m] of those pending from each completion on, the partner that enters first.
    var firstToEnter = partners
    for index in partners.indices.dropLast().reversed()
    where stamps[firstToEnter[index + 1]].entry <= stamps[partners[index]].entry {
      firstToEnter[index] = firstToEnter[index + 1]
    }
    let clockError = own.clockError + (partners.map { stamps[$0].clockError }.max() ?? 0)
    var start = own.entry
    var booked: Int64 = 0
    var longest: Int64 = 0
    var pieces = 0
    for index in partners.indices {
      let partner = firstToEnter[index]
      let entry = stamps[partner].entry
      if index == 0 || partner != firstToEnter[index - 1] {
        booked = 0
        if entry + clockError > start - own.pollGap { pieces += 1 }
      }
      let end = min(own.completions[partners[index]], own.arrived)
      let wait = max(0, min(end, entry) - start)
      total += wait
      booked += wait
      if booked > 0 && booked >= longest { (longest, culprit) = (booked, partner) }
      start = max(start, end)
    }
    error =
      partners.isEmpty
      ? 0
      : Self.error(
        of: pieces, each: clockError + own.pollGap, within: own.arrived - own.entry)
  }

  /// Every piece of waiting may begin a poll gap earlier, and end by the clocks' errors elsewhere;
  /// so may one that was seen to have no length. But all of them lie within the exchange.
  private static func error(of pieces: Int, each: Int64, within time: Int64) -> Int64 {
    let (product, isOverflowing) = each.multipliedReportingOverflow(by: Int64(max(1, pieces)))
    return max(each, isOverflowing ? time : min(product, time))
  }
}
