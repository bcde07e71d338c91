// SPDX-License-Identifier: Apache-2.0
// epsim: a cluster profile that is being put together.

public import CostModel

/// The numbers and texts of a cluster profile by key, nothing of them checked together.
///
/// `epsim calibrate` fills one in with what it measured and makes a ``ClusterProfile`` of it.
public struct ProfileDraft: Sendable, Equatable {
  /// An entry of the table of sources.
  public struct Source: Sendable, Equatable {
    public let name: String
    public let text: String
  }

  /// Numbers, in the order of the file.
  public internal(set) var values: [ProfileValue] = []
  /// Texts by their keys joined with dots: `name`, `network.between.kind`.
  var texts: [String: String] = [:]
  /// Names that the profile gives, in its order: of other rank types and of groups.
  var names: [String: [String]] = [:]
  public internal(set) var sources: [Source] = []

  /// A profile without numbers.
  public init(name: String, about: String) {
    texts = ["schema": ProfileSchema.current, "name": name, "about": about]
  }

  init() {}

  /// Adds an entry to the table of sources, or replaces it.
  public mutating func setSource(_ name: String, _ text: String) {
    sources.removeAll { $0.name == name }
    sources.append(Source(name: name, text: text))
  }

  /// Sets a text: `network.between.kind`.
  /// - Precondition: profiles have a text there.
  public mutating func setText(_ path: [String], _ text: String) {
    guard case .text? = ProfileSchema.shape(at: path) else {
      preconditionFailure("profiles have no text \(path)")
    }
    note(path)
    texts[path.joined(separator: ".")] = text
  }

  /// Sets a number, in the base unit of its dimension, rounded to six digits.
  ///
  /// - Parameters:
  ///   - path: keys from the top: `["network", "between", "latency"]`; a message size or a number
  ///     of rows among them as ``sizeKey(_:)`` and ``rowsKey(_:)`` write it.
  ///   - source: a name of the table of sources, or a text of several words.
  ///   - interval: 95 % interval, in the base unit.
  /// - Precondition: profiles have a number there.
  public mutating func set(
    _ path: [String], _ value: Double, _ provenance: Provenance, source: String,
    interval: ClosedRange<Double>? = nil
  ) {
    guard case .value(let dimension)? = ProfileSchema.shape(at: path) else {
      preconditionFailure("profiles have no number \(path)")
    }
    let quantity = ProfileQuantity(value, dimension)
    let ends = interval.map {
      [ProfileQuantity($0.lowerBound, dimension), ProfileQuantity($0.upperBound, dimension)]
    }
    let named = sources.first { $0.name == source }
    let entry = ProfileValue(
      path: path, dimension: dimension, text: quantity.text, value: quantity.value,
      provenance: provenance, source: named?.text ?? source, sourceName: named?.name,
      // Rounding must not push the value out of its interval.
      interval: ends.map {
        min($0[0].value, quantity.value)...max($0[1].value, quantity.value)
      },
      intervalText: ends.map {
        [
          $0[0].value <= quantity.value ? $0[0].text : quantity.text,
          $0[1].value >= quantity.value ? $0[1].text : quantity.text,
        ]
      } ?? [])
    note(path)
    values.removeAll { $0.path == path }
    values.append(entry)
  }

  /// Takes out whatever stands at a path or beneath it.
  public mutating func remove(_ path: [String]) {
    let key = path.joined(separator: ".")
    values.removeAll { $0.path.starts(with: path) }
    texts = texts.filter { $0.key != key && !$0.key.hasPrefix(key + ".") }
    if path.count == 1 { names[key] = nil }
    if path.count == 2 { names[path[0]]?.removeAll { $0 == path[1] } }
  }

  /// A message size as a key of `segments`, exact: a rounded one would move messages of that very
  /// size into another segment.
  /// - Precondition: a finite number of bytes, 0 to 2^53.
  public static func sizeKey(_ size: Bytes) -> String {
    precondition((0...0x1p53).contains(size.value), "a message of \(size.value) bytes")
    let bytes = Int(size.value.rounded())
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
    let (factor, unit) = units.first { bytes > 0 && bytes.isMultiple(of: $0.0) } ?? (1, "B")
    return "\(bytes / factor) \(unit)"
  }

  /// A number of rows as a key of `efficiency`.
  public static func rowsKey(_ rows: Double) -> String { ProfileQuantity(rows, .rows).text }

  /// Keeps the order of names that the profile gives.
  mutating func note(_ path: [String]) {
    guard path.count >= 2, case .byName? = ProfileSchema.shape(at: [path[0]]) else { return }
    if !(names[path[0]]?.contains(path[1]) ?? false) { names[path[0], default: []].append(path[1]) }
  }

  func text(_ key: String) -> String? { texts[key] }
  func value(_ key: String) -> ProfileValue? { values.first { $0.key == key } }

  /// Whether anything stands at a path or beneath it.
  func has(_ key: String) -> Bool {
    values.contains { $0.key == key || $0.key.hasPrefix(key + ".") }
      || texts.keys.contains { $0 == key || $0.hasPrefix(key + ".") }
  }
}
