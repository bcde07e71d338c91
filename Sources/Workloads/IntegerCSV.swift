// SPDX-License-Identifier: Apache-2.0
// epsim: tables of whole numbers in comma-separated text.

internal import MoE

/// A rectangular table of whole numbers: one row per line, commas between numbers, no heading.
///
/// Spaces around numbers, CR LF line ends and empty lines at the end are accepted.
public struct IntegerCSV: Sendable, Equatable {
  /// Lines.
  public let rowCount: Int
  /// Numbers per line.
  public let columnCount: Int
  /// [rows, columns], row-major.
  public let values: [Int]

  /// Parses the bytes of a file.
  ///
  /// - Parameters:
  ///   - name: what the error sentences call the file.
  ///   - accepted: the numbers that are allowed, not negative.
  /// - Throws: ``InputError`` that names line, column, text and accepted range.
  public init(bytes: [UInt8], name: String, accepted: ClosedRange<Int>) throws {
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .map { Self.trimmed($0) }
    while lines.last?.isEmpty == true { lines.removeLast() }
    guard !lines.isEmpty else { throw InputError("\(name): there are no numbers in it") }
    var values: [Int] = []
    var columnCount = 0
    for (row, line) in lines.enumerated() {
      let start = values.count
      for field in line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
        guard let value = Self.number(Self.trimmed(field)), accepted.contains(value) else {
          let text = String(decoding: field.prefix(24), as: UTF8.self)
          throw InputError(
            "\(name): \"\(text)\" in line \(row + 1), column \(values.count - start + 1), accepted "
              + "are whole numbers from \(accepted.lowerBound) to \(accepted.upperBound)")
        }
        values.append(value)
      }
      if row == 0 { columnCount = values.count }
      guard values.count - start == columnCount else {
        throw InputError(
          "\(name): line \(row + 1) has \(values.count - start) numbers, the first line has "
            + "\(columnCount)")
      }
    }
    self.values = values
    self.columnCount = columnCount
    rowCount = lines.count
  }

  /// The layers that the lines stand for: the first list with as many layers as there are lines.
  ///
  /// - Throws: ``InputError`` when no list fits.
  public func layers(from lists: [[Int]], name: String) throws -> [Int] {
    guard let layers = lists.first(where: { $0.count == rowCount }) else {
      let counts = Set(lists.map(\.count)).sorted().map { "\($0)" }.joined(separator: " or ")
      throw InputError("\(name): \(rowCount) lines, needed is one per layer, so \(counts)")
    }
    return layers
  }

  /// The text of a table, one line per row.
  public static func text(rows: some Sequence<some Sequence<some FixedWidthInteger>>) -> String {
    rows.map { $0.map { String($0) }.joined(separator: ",") + "\n" }.joined()
  }

  private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    func isSpace(_ byte: UInt8) -> Bool {
      byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }
    var text = text
    while let first = text.first, isSpace(first) { text.removeFirst() }
    while let last = text.last, isSpace(last) { text.removeLast() }
    return text
  }

  /// Digits only; nil for anything else and for what does not fit.
  private static func number(_ text: ArraySlice<UInt8>) -> Int? {
    guard !text.isEmpty, text.count <= 18 else { return nil }
    var value = 0
    for byte in text {
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
      value = value * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return value
  }
}
