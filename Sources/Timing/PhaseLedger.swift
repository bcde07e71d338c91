// SPDX-License-Identifier: Apache-2.0
// epsim: the time of phases that interleave, every nanosecond booked once.

/// Adds up the time of each phase of one layer whose phases interleave.
///
/// Every moment since the start belongs to the phase that is booked next, so that the phases add up
/// to the wall time. What a phase is booked is exposed time: communication that runs beside compute
/// is booked as compute. Allocated once and reused.
public final class PhaseLedger {
  private let spent: UnsafeMutableBufferPointer<Int64>
  /// Of the exchanges, copies of a rank's own rows.
  private var selfCopies: (dispatch: Int64, combine: Int64) = (0, 0)
  private var start: Int64 = 0
  private var last: Int64 = 0

  public init() {
    spent = .allocate(capacity: Phase.allCases.count)
    spent.initialize(repeating: 0)
  }

  deinit { spent.deallocate() }

  /// Starts a layer.
  public func begin(at time: Int64) {
    spent.update(repeating: 0)
    selfCopies = (0, 0)
    (start, last) = (time, time)
  }

  /// Books the time since the last booking to a phase.
  public func book(_ phase: Phase, at time: Int64 = MonotonicClock.now()) {
    spent[phase.rawValue] += time - last
    last = time
  }

  /// Books the time since the last booking to the copies of an exchange.
  public func bookSelfCopy(
    _ exchange: Phase.Exchange, at time: Int64 = MonotonicClock.now()
  ) {
    switch exchange {
    case .dispatch: selfCopies.dispatch += time - last
    case .combine: selfCopies.combine += time - last
    }
    book(exchange.phase, at: time)
  }

  /// Time booked to a phase so far, nanoseconds.
  public subscript(phase: Phase) -> Int64 { spent[phase.rawValue] }

  /// Takes the stamps of the layer: its phases end to end, from its begin to the last booking.
  public func writeStamps(into recorder: inout SpanRecorder) {
    var time = start
    recorder.mark(.begin, at: time)
    for phase in Phase.allCases {
      let entry = time
      time += spent[phase.rawValue]
      switch phase {
      case .dispatch:
        recorder.mark(.dispatchEntered, at: entry)
        recorder.mark(.dispatchArrived, at: time - selfCopies.dispatch)
      case .combine:
        recorder.mark(.combineEntered, at: entry)
        recorder.mark(.combineArrived, at: time - selfCopies.combine)
      default: break
      }
      recorder.mark(phase.endStamp, at: time)
    }
  }
}
