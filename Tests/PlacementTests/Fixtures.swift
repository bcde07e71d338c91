// SPDX-License-Identifier: Apache-2.0
// epsim: where the tests of placements find their data.

import Foundation
import MoE
import Placement
import Testing
import Workloads

/// Files of the repository, found from this source file.
enum Fixtures {
  static let repository = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  static func path(_ name: String) -> String {
    repository.appending(path: "Tests/Fixtures/\(name)").path
  }

  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: path(name))))
  }

  static func json<Value: Decodable>(_ name: String, as type: Value.Type) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(bytes(name)))
  }

  /// A load file with layers numbered from 0.
  static func load(_ name: String) throws -> LoadHistogram {
    let table = try IntegerCSV(bytes: bytes(name), name: name, accepted: 0...10_000_000)
    return try LoadHistogram(
      bytes: bytes(name), name: name, layerLists: [Array(0..<table.rowCount)],
      expertCount: table.columnCount)
  }

  /// The `law` or `intent` trace.
  static func trace(_ domain: String) throws -> RoutingTrace {
    let file = "deepseek-v2-lite-\(domain).safetensors"
    return try RoutingTrace(
      contentsOfFile: domain == "law"
        ? repository.appending(path: "examples/traces/\(file)").path : path("traces/\(file)"))
  }
}

/// A load of one or more layers, numbered from 0.
func load(_ rows: [Int]...) throws -> LoadHistogram {
  try LoadHistogram(
    bytes: Array(IntegerCSV.text(rows: rows).utf8), name: "rows",
    layerLists: [Array(rows.indices)], expertCount: rows[0].count)
}

/// Expects one sentence of bad input that contains all the words.
func expectInputError(
  _ words: String..., location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
  do {
    try body()
    Issue.record("nothing was thrown, expected a sentence with \(words)", sourceLocation: location)
  } catch let error as InputError {
    for word in words {
      #expect(error.description.contains(word), sourceLocation: location)
    }
    #expect(!error.description.contains("\n"), sourceLocation: location)
  } catch {
    Issue.record("threw \(error), expected an InputError", sourceLocation: location)
  }
}
