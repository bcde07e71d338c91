// SPDX-License-Identifier: Apache-2.0
// epsim: what moving experts took.

/// What was moved and how long it took, over all ranks.
public struct MigrationResult: Sendable, Equatable {
  /// One layer.
  public struct Layer: Sendable, Equatable {
    /// In the model's numbering.
    public let layer: Int
    /// Copies of experts that were sent to another rank.
    public let movedExperts: Int
    /// Experts that no rank held and that were made anew.
    public let recreatedExperts: Int
    /// Bytes that left a rank, counted by those who sent them.
    public let bytes: Int
    /// Of these, bytes that left a node.
    public let offNodeBytes: Int
    /// Most bytes that one rank received.
    public let largestReceived: Int
    /// From a barrier to the last rank's end, nanoseconds; making lost experts is part of it.
    public let time: Int64
  }

  public let layers: [Layer]

  public var movedExperts: Int { layers.reduce(0) { $0 + $1.movedExperts } }
  public var recreatedExperts: Int { layers.reduce(0) { $0 + $1.recreatedExperts } }
  public var bytes: Int { layers.reduce(0) { $0 + $1.bytes } }
  public var offNodeBytes: Int { layers.reduce(0) { $0 + $1.offNodeBytes } }
  /// Sum over layers, which are moved one after the other, nanoseconds.
  public var time: Int64 { layers.reduce(0) { $0 + $1.time } }
}
