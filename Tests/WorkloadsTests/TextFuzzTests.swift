// SPDX-License-Identifier: Apache-2.0
// epsim: presets and load files with random damage: read or refused in a sentence, never a crash.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct TextFuzzTests {
  @Test(arguments: ["deepseek-v3", "jamba-v0.1", "gpt-oss-20b", "switch-base-128"])
  func damagedPresetsAreReadOrRefused(name: String) throws {
    let original = try [UInt8](
      Data(contentsOf: Fixtures.repository.appending(path: "models/\(name).yaml")))
    _ = try ModelFile(yaml: String(decoding: original, as: UTF8.self), place: name)
    let refused = try damaged(original) { bytes in
      let model = try ModelFile(yaml: String(decoding: bytes, as: UTF8.self), place: name).model
      // What is read must be countable without overflow.
      _ = ParameterCount(model).total
      _ = ModelFootprint(model, ranks: 3).bytes(bits: 16)
    }
    #expect(refused > 0)
  }

  @Test func damagedLoadFilesAreReadOrRefused() throws {
    let original = try Fixtures.load("mixtral-8x7b-base_college_medicine_load")
    let refused = try damaged(original) { bytes in
      let load = try LoadHistogram(bytes: bytes, name: "load")
      _ = try WorkloadSpec(parsing: "load:x.csv").generator(
        expertCount: load.expertCount, topK: min(2, load.expertCount),
        layerCount: load.layers.count, seed: 1, tokensPerStep: 8, load: load)
    }
    #expect(refused > 0)
  }

  /// Reads damaged copies; returns how many were refused.
  private func damaged(
    _ original: [UInt8], _ read: ([UInt8]) throws -> Void
  ) throws -> Int {
    var refused = 0
    for number in 0..<TraceFuzzTests.cases {
      do {
        try read(Damage(key: 0x7E87, number: number).applied(to: original))
      } catch let error as InputError {
        refused += 1
        #expect(!error.description.contains("\n"), "case \(number): \(error)")
      }
    }
    return refused
  }
}
