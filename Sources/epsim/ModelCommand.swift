// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim model`.

internal import ArgumentParser
internal import Foundation
internal import MoE
internal import Reporting
internal import Workloads

/// Shapes, parameters, FLOPs and bytes per rank of models.
struct ModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "List, print and compare models: parameters, FLOPs, caches, bytes per rank.",
    discussion: """
      Without a name it lists the presets. A name is a preset, the path of a preset file, or the \
      path of a config.json as Hugging Face publishes it; of the latter it prints which field was \
      used for what. Several names are compared side by side, with the dense models of equal total \
      and of equal active parameters. All figures are computed from shapes.

      Examples:
        epsim model
        epsim model deepseek-v3 --ranks 64
        epsim model mixtral-8x7b qwen3-30b-a3b llama-2-70b
        epsim model Downloads/Qwen3-30B-A3B/config.json
        epsim run --model Downloads/Qwen3-30B-A3B/config.json --layers 1
      """)

  @Argument(help: "Presets, or paths of preset files or config.json files.")
  var names: [String] = []

  @Option(
    parsing: .unconditional, help: "Ranks that the experts are spread over, for bytes per rank.")
  var ranks = 8

  @Flag(help: "Print the figures as JSON on stdout, and nothing else there.")
  var json = false

  mutating func run() throws {
    guard (1...65_536).contains(ranks) else {
      throw InputError("--ranks \(ranks), accepted are 1 to 65536")
    }
    let records = try (names.isEmpty ? ModelLibrary.names() : names).map {
      ModelRecord(try Self.document($0), ranks: ranks)
    }
    if json {
      let isOne = names.count == 1
      print(isOne ? try RecordCoding.text(records[0]) : try RecordCoding.text(records))
    } else if names.isEmpty {
      print(ModelList(records).text)
    } else {
      print(names.count == 1 ? ModelReport(records[0]).text : ModelComparison(records).text)
    }
  }

  private static func document(_ name: String) throws -> ModelDocument {
    let bytes = try InputFile.bytes(ofPath: try ModelLibrary.path(of: name), kind: "model")
    return try ModelDocument(text: String(decoding: bytes, as: UTF8.self), name: name)
  }
}
