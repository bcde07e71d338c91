// SPDX-License-Identifier: Apache-2.0
// epsim: records as JSON.

public import Foundation
internal import Workloads

/// Writes and reads the JSON of records and of `--json`.
public enum RecordCoding {
  /// Name of the file of a record.
  public static let fileName = "record.json"

  /// JSON with snake-case keys in alphabetical order.
  public static func json(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // Undefined figures (an error against a reference of zeros) must not fail a whole record.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try encoder.encode(value)
  }

  /// The same as text, for `--json`.
  public static func text(_ value: some Encodable) throws -> String {
    String(decoding: try json(value), as: UTF8.self)
  }

  /// Writes `record.json` into a folder, which is made where it is missing.
  ///
  /// The file appears whole or not at all: it is renamed into place.
  /// - Returns: the path of the file.
  public static func write(_ record: RunRecord, folder: String) throws -> String {
    try OutputFile.makeFolder(folder)
    let file = URL(fileURLWithPath: folder, isDirectory: true).appendingPathComponent(fileName).path
    try OutputFile.write([UInt8](json(record)), toPath: file)
    return file
  }

  /// Reads a record that this version understands.
  public static func record(from data: Data) throws -> RunRecord {
    try decode(RunRecord.self, from: data)
  }

  /// Reads what ``json(_:)`` has written.
  static func decode<Value: Decodable>(_ type: Value.Type, from data: Data) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try decoder.decode(type, from: data)
  }
}
