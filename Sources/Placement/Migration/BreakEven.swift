// SPDX-License-Identifier: Apache-2.0
// epsim: when moving experts has paid for itself.

public import CostModel

/// A migration against what it saves.
public struct BreakEven: Sendable, Equatable {
  /// What moving the experts takes.
  public let migration: Seconds
  /// What a step saves after it; negative where steps get slower.
  public let gain: Seconds

  public init(migration: Seconds, before: Seconds, after: Seconds) {
    self.migration = migration
    gain = before - after
  }

  /// n* = migration / (before - after), steps until the time is won back; nil for never: steps get
  /// no faster, or a time is unknown (NaN).
  public var steps: Double? {
    guard gain.value > 0, migration.value >= 0, migration.value.isFinite else { return nil }
    return migration / gain
  }
}
