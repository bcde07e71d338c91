// SPDX-License-Identifier: Apache-2.0
// epsim: where the tests of traces find and leave their files.

import Foundation
import Workloads

/// The small routing that stands in every format in Tests/Fixtures/trace-formats.
struct FormatFixtures {
  struct Expected: Decodable {
    let experts: Int
    let ids: [Int32]
    let weights: [Float]
    let shape: [Int]
    let lengths: [Int]
  }

  static func path(_ name: String) -> String {
    Fixtures.repository.appending(path: "Tests/Fixtures/trace-formats/\(name)").path
  }

  static func expected() throws -> Expected {
    try JSONDecoder().decode(
      Expected.self, from: Data(contentsOf: URL(filePath: path("expected.json"))))
  }

  /// Everything that a format may lack of the fixtures.
  static func options(_ change: (inout TraceReadOptions) -> Void = { _ in }) -> TraceReadOptions {
    var options = TraceReadOptions()
    options.expertCount = 5
    options.firstLayer = 1
    options.topK = 2
    change(&options)
    return options
  }

  static func open(_ name: String, _ options: TraceReadOptions) throws -> RoutingTrace {
    let path = path(name)
    let opened = try TraceFormat(ofInput: path).open(path: path, options: options)
    return try opened.source.window(0..<opened.source.shape.tokenCount)
  }
}

/// A folder that goes away with its last user.
final class ScratchFolder {
  let url = FileManager.default.temporaryDirectory.appending(path: "epsim-traces-\(UUID())")

  init() throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.path + "/" + name }

  func write(_ text: String, _ name: String) throws -> String {
    try Data(text.utf8).write(to: url.appending(path: name))
    return path(name)
  }
}
