// SPDX-License-Identifier: Apache-2.0
// epsim: nested JSON lists of whole numbers as an array.

extension IntegerArray {
  /// Reads the next value, lists in lists of equal lengths.
  ///
  /// - Parameter field: what error sentences call the value.
  /// - Throws: `InputError` that names the place of the first number or list that does not fit.
  public init(_ reader: inout JSONReader, field: String, form: Form) throws {
    var lists = NestedLists(field: field, form: form)
    try lists.read(&reader, level: 0)
    guard form.dimensions.contains(lists.shape.count) else {
      throw reader.wrong(
        "\(field) is \(lists.shape.count) lists deep, accepted are \(form.dimensions.lowerBound) "
          + "to \(form.dimensions.upperBound), before the end")
    }
    self.init(shape: lists.shape, values: lists.values)
  }

  /// The text of lists in lists.
  public static func json(_ rows: some Sequence<some Sequence<some FixedWidthInteger>>) -> String {
    "[" + rows.map { json($0) }.joined(separator: ",") + "]"
  }

  /// The text of a list.
  public static func json(_ row: some Sequence<some FixedWidthInteger>) -> String {
    "[" + row.map { String($0) }.joined(separator: ",") + "]"
  }
}

/// Lists in lists, of which the first of each level says how long the others are.
private struct NestedLists {
  let field: String
  let form: IntegerArray.Form
  var shape: [Int] = []
  var values: [Int] = []
  /// How deep the numbers lie, once the first was met.
  private var depth: Int?
  /// Sizes of levels that were read to their end once.
  private var isKnown: [Bool] = []

  init(field: String, form: IntegerArray.Form) { (self.field, self.form) = (field, form) }

  mutating func read(_ reader: inout JSONReader, level: Int) throws {
    guard reader.peek() == UInt8(ascii: "[") else {
      guard level > 0, depth == nil || depth == level else {
        throw reader.wrong("\(field) is no list of lists of equal depth")
      }
      depth = level
      values.append(try reader.integer("a number of \(field)", accepted: form.accepted))
      return
    }
    guard level < form.dimensions.upperBound, depth.map({ level < $0 }) ?? true else {
      throw reader.wrong("\(field) has a list where a number is expected")
    }
    if level == shape.count {
      shape.append(0)
      isKnown.append(false)
    }
    var count = 0
    try reader.array { reader in
      try read(&reader, level: level + 1)
      count += 1
    }
    guard !isKnown[level] || shape[level] == count, count > 0 else {
      throw reader.wrong(
        "\(field) has a list of \(count), "
          + (isKnown[level] ? "the lists before it have \(shape[level])," : "which is empty,"))
    }
    (shape[level], isKnown[level]) = (count, true)
  }
}
