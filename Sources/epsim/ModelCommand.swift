// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim model`.

internal import ArgumentParser
internal import CostModel
internal import MoE
internal import Placement
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
        epsim model deepseek-v3 --ranks 64 --placement eplb+64
        epsim model mixtral-8x7b qwen3-30b-a3b llama-2-70b
        epsim model Downloads/Qwen3-30B-A3B/config.json
        epsim run --model Downloads/Qwen3-30B-A3B/config.json --layers 1
      """)

  @Argument(help: "Presets, or paths of preset files or config.json files.")
  var names: [String] = []

  @Option(
    parsing: .unconditional, help: "Ranks that the experts are spread over, for bytes per rank.")
  var ranks = 8

  @Option(
    help: """
      Placement of the experts as for 'epsim run', such as eplb+8 or a file, for bytes per rank. \
      Default: as many experts on every rank, rounded up.
      """)
  var placement: String?

  @Flag(help: "Print the figures as JSON on stdout, and nothing else there.")
  var json = false

  mutating func run() throws {
    guard (1...65_536).contains(ranks) else {
      throw InputError("--ranks \(ranks), accepted are 1 to 65536")
    }
    guard placement == nil || !names.isEmpty else {
      throw InputError("--placement \(placement ?? "") needs the names of models")
    }
    let spec = try placement.map { try PlacementSpec(parsing: $0) }
    let records = try (names.isEmpty ? ModelLibrary.names() : names).map {
      let document = try ModelLibrary.open($0)
      return ModelRecord(
        document, ranks: ranks, placement: try placement(of: document.model, by: spec))
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

  /// The placement of a model's experts that the option names; nil where it names none.
  private func placement(of model: ModelShape, by spec: PlacementSpec?) throws -> ExpertPlacement? {
    guard let spec else { return nil }
    try model.requireExperts()
    // Every layer has as many slots on a rank, so that without a load one layer tells all.
    let layers = spec.filePath != nil ? model.moeLayers : Array(model.moeLayers.prefix(1))
    do {
      return try spec.place(
        load: LoadHistogram(layers: layers, expertCount: model.expertCount),
        topology: Topology(ranks: ranks), groups: model.expertGroupCount,
        modelLayers: model.moeLayers
      ) { try InputFile.bytes(ofPath: Installation.path(of: $0), kind: "placement") }
    } catch let error as InputError {
      throw InputError("model \(model.name) on \(ranks) ranks: \(error)")
    }
  }
}
