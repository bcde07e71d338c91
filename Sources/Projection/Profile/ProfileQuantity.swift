// SPDX-License-Identifier: Apache-2.0
// epsim: a number with its unit as a cluster profile writes it.

internal import Foundation
internal import MoE

/// A number with its unit, as text and in the base unit of its dimension.
struct ProfileQuantity: Sendable, Equatable {
  /// As written: `450 GB/s`.
  let text: String
  /// s, B, B/s, FLOP/s, or 1.
  let value: Double

  /// Reads a number with its unit.
  ///
  /// - Parameter allowsZero: for sizes that messages are counted from.
  /// - Throws: ``InputError`` that names the key, the text and what is accepted.
  init(
    _ text: String, _ dimension: ProfileDimension, key: String, place: String,
    allowsZero: Bool = false
  ) throws {
    func problem(_ what: String) -> InputError {
      InputError(
        "\(place): \(key) is \(what), accepted is "
          + (allowsZero ? "0 B, or " : "") + dimension.accepted)
    }
    let trimmed = text.trimmingCharacters(in: .whitespaces)
    let shown = trimmed.isEmpty ? "empty" : InputError.excerpt(trimmed)
    guard trimmed.utf8.count <= 40, let split = Self.split(trimmed) else { throw problem(shown) }
    guard !split.unit.isEmpty else { throw problem("\(shown) without a unit") }
    guard let unit = dimension.units.first(where: { $0.name == split.unit }) else {
      throw problem(shown)
    }
    let value = split.number * unit.factor
    guard dimension.range.contains(value) || (allowsZero && value == 0),
      !dimension.isCount || value == value.rounded()
    else { throw problem(shown) }
    self.text = trimmed
    self.value = value
  }

  /// Writes a number in the largest unit of which it is at least one, with six digits.
  init(_ value: Double, _ dimension: ProfileDimension) {
    let usual = dimension.units.filter { !$0.name.hasSuffix("iB") && !$0.name.contains("iB/") }
      .filter { !$0.name.hasSuffix("bit/s") && $0.name != "rank" && $0.name != "node" }
      .filter { $0.name != "row" }
    let unit = usual.last { $0.factor <= abs(value) } ?? usual[0]
    let number = String(format: "%.6g", locale: nil, value / unit.factor)
    text = number + (dimension == .ratio ? "" : " ") + unit.name
    self.value = (Double(number) ?? value) * unit.factor
  }

  /// The number before the unit, and the unit; nil where there is no finite number.
  private static func split(_ text: String) -> (number: Double, unit: String)? {
    let bytes = Array(text.utf8)
    func isDigit(_ index: Int) -> Bool {
      bytes.indices.contains(index)
        && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index])
    }
    func isSign(_ index: Int) -> Bool {
      bytes.indices.contains(index)
        && (bytes[index] == UInt8(ascii: "-") || bytes[index] == UInt8(ascii: "+"))
    }
    var end = isSign(0) ? 1 : 0
    while isDigit(end) || (end < bytes.count && bytes[end] == UInt8(ascii: ".")) { end += 1 }
    if end < bytes.count, bytes[end] | 0x20 == UInt8(ascii: "e"),
      isDigit(end + 1) || (isSign(end + 1) && isDigit(end + 2))
    {
      end += 2
      while isDigit(end) { end += 1 }
    }
    guard let number = Double(String(decoding: bytes[..<end], as: UTF8.self)), number.isFinite
    else { return nil }
    let unit = String(decoding: bytes[end...], as: UTF8.self).trimmingCharacters(in: .whitespaces)
    return (number, unit)
  }
}
