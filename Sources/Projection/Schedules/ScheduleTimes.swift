// SPDX-License-Identifier: Apache-2.0
// epsim: when each rank leaves an all-to-all.

public import CostModel

/// When the ranks are done with an exchange that follows a schedule.
public struct ScheduleTimes: Sendable {
  /// [R] when the last row of each rank has left it.
  public let sent: [Seconds]
  /// [R] when each rank has sent all and received all.
  public let finish: [Seconds]
  /// When each rank entered.
  public let entries: [Seconds]
  /// What the busiest rank needs for the bytes that it sends, or for those that it receives:
  /// latencies and waiting left out.
  public internal(set) var bound: Seconds = .zero

  /// From the last entry to the last end.
  public var total: Seconds {
    max(.zero, (finish.max() ?? .zero) - (entries.max() ?? .zero))
  }

  /// How many times longer than the bound the exchange takes: 1 is no loss; infinite where no
  /// bytes move but time passes, 1 where neither does.
  public var loss: Double {
    bound > .zero ? total / bound : total > .zero ? .infinity : 1
  }
}
