// SPDX-License-Identifier: Apache-2.0
// epsim: the order in which the steps of all cases ran.

internal import Timing

/// When each step of each case is drawn.
struct TimelineSchedule {
  /// A step of a case.
  struct Entry {
    let caseIndex: Int
    let step: Int
    let group: Int
    /// When rank 0 began it, nanoseconds after the shift.
    let start: Int64
  }

  /// All steps in the order in which they ran.
  private(set) var entries: [Entry] = []
  /// [groups] what is added to the stamps of each launch, nanoseconds.
  private(set) var shifts: [Int64] = []
  /// The first stamp, nanoseconds: time zero of the trace.
  private(set) var zero: Int64 = 0

  /// Time between two launches whose clocks overlap, nanoseconds.
  private static let gap: Int64 = 1_000_000_000

  init(_ cases: [TimelineTrace.Case]) {
    var end: Int64?
    let groupCount = cases.map(\.groupSteps.count).max() ?? 0
    for group in 0..<groupCount {
      var steps: [Entry] = []
      var (first, last) = (Int64.max, Int64.min)
      for (index, entry) in cases.enumerated() where group < entry.groupSteps.count {
        let begin = entry.groupSteps[..<group].reduce(0, +)
        for step in begin..<begin + entry.groupSteps[group] {
          let spans = (0..<entry.timeline.rankCount).map {
            entry.timeline.span(rank: $0, step: step)
          }
          first = min(first, spans.map(\.lowerBound).min()!)
          last = max(last, spans.map(\.upperBound).max()!)
          steps.append(
            Entry(caseIndex: index, step: step, group: group, start: spans[0].lowerBound))
        }
      }
      guard !steps.isEmpty else {
        shifts.append(0)
        continue
      }
      // The clock of a later launch may have another origin, on another machine or after a boot.
      let shift = end.map { first <= $0 ? $0 + Self.gap - first : 0 } ?? 0
      if end == nil { zero = first }
      end = last + shift
      shifts.append(shift)
      entries += steps.sorted { ($0.start, $0.caseIndex) < ($1.start, $1.caseIndex) }
    }
  }
}
