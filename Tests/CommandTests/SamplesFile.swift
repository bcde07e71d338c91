// SPDX-License-Identifier: Apache-2.0
// epsim: samples.safetensors taken apart and put together again, by its documented layout alone.

import Foundation
import Testing

/// The file as a test reads and alters it.
struct SamplesFile {
  /// The safetensors header: tensors, and the metadata as text.
  var header: [String: Any]
  /// The metadata entry `epsim`.
  var metadata: [String: Any]
  var data: Data

  init(path: String) throws {
    let bytes = try Data(contentsOf: URL(filePath: path))
    let length = bytes.prefix(8).enumerated().reduce(0) {
      $0 | Int($1.element) << (8 * $1.offset)
    }
    header = try #require(
      try JSONSerialization.jsonObject(with: bytes[8..<8 + length]) as? [String: Any])
    let entries = try #require(header["__metadata__"] as? [String: String])
    let text = try #require(entries["epsim"])
    metadata = try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    data = bytes[(8 + length)...]
  }

  /// Rounds of all groups, which every case must have.
  var rounds: Int {
    let groups = metadata["groups"] as? [[String: Any]] ?? []
    return groups.reduce(0) { $0 + ($1["rounds"] as? Int ?? -1) }
  }

  /// The bytes of a file with these parts.
  func encoded() throws -> Data {
    var header = header
    let text = String(
      decoding: try JSONSerialization.data(withJSONObject: metadata), as: UTF8.self)
    header["__metadata__"] = ["epsim": text]
    let json = try JSONSerialization.data(withJSONObject: header)
    let length = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Data($0) }
    return length + json + data
  }
}
