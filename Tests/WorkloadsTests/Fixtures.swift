// SPDX-License-Identifier: Apache-2.0
// epsim: where the tests of workloads find their data, and a small valid trace.

import Foundation
import MoE
import Testing
import Workloads

/// Files of the repository, found from this source file.
enum Fixtures {
  static let repository = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  static let lawTrace = repository.appending(
    path: "examples/traces/deepseek-v2-lite-law.safetensors"
  ).path
  static let intentTrace = repository.appending(
    path: "Tests/Fixtures/traces/deepseek-v2-lite-intent.safetensors"
  ).path

  static func load(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: repository.appending(path: "Tests/Fixtures/loads/\(name).csv")))
  }

  /// 3 tokens in sequences of 2 and 1, layers 1 and 2, top-2 of 4 experts.
  static let smallIDs: [Int32] = [0, 1, 2, 3, 3, 0, 1, 2, 2, 0, 3, 1]

  static func smallTrace(
    experts: Int = 4, topK: Int = 2, layers: Int = 2, firstLayer: Int = 1,
    lengths: [Int]? = [2, 1], ids: [Int32] = smallIDs, weights: [Float]? = nil
  ) throws -> RoutingTrace {
    try RoutingTrace(
      name: "small",
      origin: .init(model: "m", domain: "d", source: "s", license: "l"), expertCount: experts,
      topK: topK, layerCount: layers, firstLayer: firstLayer, sequenceLengths: lengths,
      expertIndices: ids, routingWeights: weights)
  }
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
