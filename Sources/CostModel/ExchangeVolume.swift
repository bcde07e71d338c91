// SPDX-License-Identifier: Apache-2.0
// epsim: what an exchange moved, counted where it was sent.

/// Rows, bytes and messages that left their rank in the exchanges of a step.
///
/// Counted by the sender as it sends; the sum over ranks is that of the step. What a rank keeps is
/// not counted.
public struct ExchangeVolume: Sendable, Equatable {
  /// One direction.
  public struct Way: Sendable, Equatable {
    /// Token rows, or sums of them, that left their rank; padding is none.
    public var rows = 0
    /// Those that left their node.
    public var offNodeRows = 0
    /// Bytes of all that left the rank: rows, what travels with them, padding.
    public var bytes = 0
    /// Those that left their node.
    public var offNodeBytes = 0
    /// Blocks of rows that left the rank: messages, or pieces of a collective.
    public var messages = 0

    public init() {}

    /// Counts a block of rows for another rank.
    public mutating func add(rows: Int, bytes: Int, leavesNode: Bool) {
      guard bytes > 0 else { return }
      self.rows += rows
      self.bytes += bytes
      messages += 1
      guard leavesNode else { return }
      offNodeRows += rows
      offNodeBytes += bytes
    }

    fileprivate var values: [Int] { [rows, offNodeRows, bytes, offNodeBytes, messages] }

    fileprivate init(_ values: ArraySlice<Int>) {
      let values = Array(values)
      (rows, offNodeRows, bytes) = (values[0], values[1], values[2])
      (offNodeBytes, messages) = (values[3], values[4])
    }
  }

  /// To the experts.
  public var dispatch = Way()
  /// Back from them.
  public var combine = Way()

  public init() {}

  /// Numbers in ``values``.
  public static let valueCount = 10

  /// All counts in one block, so that ranks can add them up in one reduction.
  public var values: [Int] { dispatch.values + combine.values }

  /// - Precondition: ``valueCount`` values.
  public init(values: [Int]) {
    precondition(values.count == Self.valueCount, "\(values.count) values of a volume")
    dispatch = Way(values[..<5])
    combine = Way(values[5...])
  }
}
