// SPDX-License-Identifier: Apache-2.0
// epsim: the ranks that others wait for, worst first.

/// A rank that others waited for.
struct LateRank {
  let rank: Int
  /// Waiting of all others together, microseconds a step.
  let waitedUs: Double
  /// Who waited longest for it.
  let mostBy: Int
  let cause: CaseRecord.BlameTable.Cause

  /// The largest part of its lateness, in words.
  var mainCause: String {
    let parts = [
      ("expert compute", cause.expertUs), ("packing and other work", cause.packingUs),
      ("leaving the exchange before later", cause.earlierUs),
    ]
    return parts.max { $0.1 < $1.1 }!.0
  }
}

extension CaseRecord.BlameTable {
  /// Ranks that others waited for, those that cost most first.
  var lateRanks: [LateRank] {
    waitingUs.indices.map { culprit in
      let row = waitingUs[culprit]
      return LateRank(
        rank: culprit, waitedUs: row.reduce(0, +),
        mostBy: row.indices.max { row[$0] < row[$1] }!, cause: causes[culprit])
    }
    .filter { $0.waitedUs > 0 }.sorted { $0.waitedUs > $1.waitedUs }
  }
}
