// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim model`.

internal import ArgumentParser
internal import Foundation
internal import MoE
internal import Reporting
internal import Workloads

/// Shapes, parameters, FLOPs and bytes per rank of a model.
struct ModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Print shapes, parameters (total and active), FLOPs and bytes per rank of a model.",
    discussion: """
      Without a name it lists the presets. All figures are computed from the preset's shapes.

      Examples:
        epsim model
        epsim model deepseek-v3 --ranks 64
      """)

  @Argument(help: "Preset or path of a preset file.")
  var name: String?

  @Option(
    parsing: .unconditional, help: "Ranks that the experts are spread over, for bytes per rank.")
  var ranks = 8

  @Flag(help: "Print the figures as JSON on stdout, and nothing else there.")
  var json = false

  mutating func run() throws {
    guard (1...65_536).contains(ranks) else {
      throw InputError("--ranks \(ranks), accepted are 1 to 65536")
    }
    guard let name else {
      let models = try ModelLibrary.names().map(Self.model)
      print(json ? try Self.json(models.map { ModelRecord($0, ranks: ranks) }) : Self.list(models))
      return
    }
    let record = ModelRecord(try Self.model(name), ranks: ranks)
    print(json ? try Self.json(record) : ModelReport(record).text)
  }

  private static func model(_ name: String) throws -> ModelShape {
    let bytes = try InputFile.bytes(ofPath: try ModelLibrary.path(of: name), kind: "model")
    return try ModelFile(yaml: String(decoding: bytes, as: UTF8.self), place: "model \(name)").model
  }

  private static func json(_ value: some Encodable) throws -> String {
    try RecordCoding.text(value)
  }

  private static func list(_ models: [ModelShape]) -> String {
    var table = TextTable([
      ("model", .left), ("hidden", .right), ("expert FFN", .right), ("experts", .right),
      ("top-k", .right), ("shared", .right), ("MoE layers", .right), ("total", .right),
      ("active", .right),
    ])
    for model in models {
      let count = ParameterCount(model)
      table.add([
        model.name, "\(model.hiddenSize)", "\(model.expertFFNSize)", "\(model.expertCount)",
        "\(model.topK)", "\(model.sharedExpertCount)", "\(model.moeLayers.count)",
        Quantity.count(count.total), Quantity.count(count.active),
      ])
    }
    return table.text
  }
}
