// SPDX-License-Identifier: Apache-2.0
// epsim: tables of published or measured numbers in comma-separated text.

internal import MoE

/// A table with a heading: named columns, numbers and texts.
///
/// Fields may stand in double quotes, a doubled quote inside means one (RFC 4180) - but a field
/// does not run over the end of its line. CR LF line ends, spaces around fields and empty lines are
/// accepted, and a byte order mark.
public struct PublishedTable: Sendable {
  /// The largest file that is read.
  public static let maximumBytes = 1 << 24
  public static let maximumColumns = 200

  /// What error sentences call the file.
  public let name: String
  /// Headings, in order.
  public let columns: [String]
  private var cells: [[String]]
  /// [rows] line of each row, from 1.
  private var lines: [Int]

  public var rowCount: Int { cells.count }

  /// Parses the bytes of a file.
  ///
  /// - Throws: `InputError` that names the line, when the file is too large, has no heading or no
  ///   rows, or a line has other columns than the heading.
  public init(bytes: [UInt8], name: String) throws {
    guard bytes.count <= Self.maximumBytes else {
      throw InputError(
        "\(name): \(bytes.count) bytes, accepted are tables of \(Self.maximumBytes) at most")
    }
    var text = bytes[...]
    if text.starts(with: [0xEF, 0xBB, 0xBF]) { text = text.dropFirst(3) }
    var table: [(line: Int, fields: [String])] = []
    for (index, line) in text.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
    {
      guard line.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else { continue }
      let fields = try Self.fields(line, place: "\(name): line \(index + 1)")
      if let heading = table.first?.fields, fields.count != heading.count {
        throw InputError(
          "\(name): line \(index + 1) has \(fields.count) columns, the heading has "
            + "\(heading.count)")
      }
      table.append((index + 1, fields))
    }
    guard let heading = table.first?.fields, table.count > 1 else {
      throw InputError(
        "\(name): there are no rows in it, needed are a heading and one row at least")
    }
    if let twice = heading.first(where: { column in heading.count { $0 == column } > 1 }) {
      throw InputError("\(name): the heading has \"\(InputError.excerpt(twice))\" twice")
    }
    self.name = name
    columns = heading
    cells = table.dropFirst().map(\.fields)
    lines = table.dropFirst().map(\.line)
  }

  /// The text of a cell.
  ///
  /// - Throws: `InputError` when there is no such column.
  public func text(_ row: Int, _ column: String) throws -> String {
    guard let index = columns.firstIndex(of: column) else {
      let known = columns.prefix(20).map { InputError.excerpt($0) }.joined(separator: ", ")
      throw InputError("\(name): there is no column \"\(column)\" in it, its columns are \(known)")
    }
    return cells[row][index]
  }

  /// A number of a cell.
  ///
  /// - Throws: `InputError` when there is no such column, or the cell is no decimal number in the
  ///   accepted range.
  public func number(_ row: Int, _ column: String, accepted: ClosedRange<Double>) throws -> Double {
    let text = try text(row, column)
    // Decimal notation only: Double would take "nan", "inf" and hexadecimal too.
    let isDecimal =
      !text.isEmpty && text.utf8.count <= 32
      && text.utf8.allSatisfy { (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }
    guard isDecimal, let value = Double(text), accepted.contains(value) else {
      throw InputError(
        "\(name): \"\(InputError.excerpt(text))\" in line \(lines[row]), column \(column), "
          + "accepted are numbers from \(accepted.lowerBound) to \(accepted.upperBound)")
    }
    return value
  }

  /// A whole number of a cell.
  ///
  /// - Throws: `InputError` as ``number(_:_:accepted:)``, and for a fraction.
  public func count(_ row: Int, _ column: String, accepted: ClosedRange<Int>) throws -> Int {
    let value = try number(
      row, column, accepted: Double(accepted.lowerBound)...Double(accepted.upperBound))
    guard let whole = Int(exactly: value) else {
      throw InputError(
        "\(name): \"\(try text(row, column))\" in line \(lines[row]), column \(column), accepted "
          + "are whole numbers from \(accepted.lowerBound) to \(accepted.upperBound)")
    }
    return whole
  }

  /// The fields of a line.
  private static func fields(_ line: ArraySlice<UInt8>, place: String) throws -> [String] {
    var fields: [String] = []
    var field: [UInt8] = []
    var isQuoted = false
    var index = line.startIndex
    func ended() throws {
      guard fields.count < maximumColumns else {
        throw InputError("\(place) has more than \(maximumColumns) columns")
      }
      let text = String(decoding: field, as: UTF8.self)
      fields.append(String(text.trimmingSpaces))
      field.removeAll()
    }
    while index < line.endIndex {
      let byte = line[index]
      if byte == 0x22 {
        if isQuoted, index + 1 < line.endIndex, line[index + 1] == 0x22 {
          field.append(byte)
          index += 1
        } else {
          isQuoted.toggle()
        }
      } else if byte == 0x2C, !isQuoted {
        try ended()
      } else {
        field.append(byte)
      }
      index += 1
    }
    guard !isQuoted else { throw InputError("\(place) opens a quote and does not close it") }
    try ended()
    return fields
  }
}

extension String {
  fileprivate var trimmingSpaces: Substring {
    func isSpace(_ character: Character) -> Bool {
      character == " " || character == "\t" || character == "\r"
    }
    let head = drop(while: isSpace)
    guard let last = head.lastIndex(where: { !isSpace($0) }) else { return "" }
    return head[...last]
  }
}
