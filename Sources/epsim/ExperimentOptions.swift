// SPDX-License-Identifier: Apache-2.0
// epsim: the options that say what is simulated.

public import ArgumentParser
internal import Kernels
public import MoE
internal import Placement
public import Workloads

/// The model and what its tokens do.
struct WorkloadOptions: ParsableArguments {
  @Option(help: "Model preset (see 'epsim model') or the path of a preset file.")
  var model = "tiny"

  @Option(
    help: ArgumentHelp(
      """
      Layers with experts to use: 'all', a count, or numbers and ranges in the model's numbering \
      ('1,9,19' or '1-4').
      """))
  var layers = "all"

  @Option(
    help: """
      Where the experts' choices come from: a trace (.safetensors), uniform, zipf[:EXPONENT], or \
      router (computed live by the model's router).
      """)
  var workload = "router"

  @Option(
    help: """
      Tokens that fitted placements see: first-half of the trace (judged on the second), all, or \
      a load file (.csv: a line per layer, a column per expert). Default: first-half where a \
      placement is fitted, else all.
      """)
  var fit: String?

  @Option(help: "How tokens are dealt to ranks: block, round-robin or sequence.")
  var assignment = TokenAssignment.block

  @Option(help: "Groups of consecutive experts for hierarchical EPLB. Default: the model's.")
  var groups: Int?

  @Option(help: "Seed of weights, inputs, generators and the order of cases.")
  var seed: UInt64 = 1
}

/// The cases: where experts live and how rows travel. Comma lists make a case of every combination.
struct CaseOptions: ParsableArguments {
  @Option(
    help: """
      Expert placements: contiguous, round-robin, random[:SEED], lpt, \
      eplb[+EXTRA][:global|:hierarchical], or a .json/.csv file. EXTRA slots are over all ranks.
      """)
  var placement = "contiguous"

  @Option(help: "Which copy of a replicated expert serves a token: expert-rr, nearest.")
  var replicaChoice = "expert-rr"

  @Option(help: "Format of rows on the way to the experts: f32, bf16. Default: as --dtype.")
  var wire: String?

  @Option(
    name: .customLong("case"),
    help: ArgumentHelp(
      "One case by its own options, such as 'placement=eplb+8,replica-choice=nearest'; repeatable.",
      valueName: "key=value,..."))
  var cases: [String] = []
}

/// How the run is carried out.
struct RunOptions: ParsableArguments {
  @Option(help: "Tokens per step over all ranks.")
  var tokens: Int?

  @Option(help: "Tokens per step on every rank, instead of --tokens.")
  var tokensPerRank: Int?

  @Option(help: "Measured steps; intervals need at least 8.")
  var steps = 10

  @Option(help: "Steps before the measurement.")
  var warmup = 2

  @Option(help: "Format of activations and weights: f32, bf16. Default: bf16 where supported.")
  var dtype: String?

  @Option(help: "shared: every layer uses the weights of layer 0; per-layer: each has its own.")
  var weights = ModelWeights.Sharing.shared

  @Option(help: "Threads of the products on every rank.")
  var threads = 1

  @Option(help: "Memory that the ranks of one node may use, GiB. Default: what is free.")
  var maxMemory: Double?

  @Flag(help: "Compare every layer's output with the slow reference layer.")
  var check = false

  @Option(help: "Folder for record.json; '-' writes none.")
  var output = "results"

  @Flag(help: "Print the record as JSON on stdout, and nothing else there.")
  var json = false

  @Option(help: "YAML file with any of these options; the command line overrides it.")
  var config: String?
}

extension TokenAssignment: ExpressibleByArgument {}
extension ModelWeights.Sharing: ExpressibleByArgument {}

/// One case as written.
struct CaseSpec: Equatable {
  var placement: PlacementSpec
  var replicaChoice: ReplicaChoice
  var wire: ElementType?

  /// The cases that the options ask for.
  /// - Throws: ``InputError`` that names the value and what is accepted.
  static func all(_ options: CaseOptions) throws -> [CaseSpec] {
    let placements = try list(options.placement, "placement").map(PlacementSpec.init(parsing:))
    let choices = try list(options.replicaChoice, "replica-choice").map {
      try value(ReplicaChoice.self, $0, "replica-choice")
    }
    let wires: [ElementType?] =
      try options.wire.map {
        try list($0, "wire").map { try value(ElementType.self, $0, "wire") }
      } ?? [nil]
    let product = placements.flatMap { placement in
      choices.flatMap { choice in
        wires.map { CaseSpec(placement: placement, replicaChoice: choice, wire: $0) }
      }
    }
    guard !options.cases.isEmpty else { return product }
    guard product.count == 1 else {
      throw InputError(
        "--case is given beside lists that make \(product.count) cases; with --case the other "
          + "options take one value each")
    }
    return try options.cases.map { try product[0].changed(by: $0) }
  }

  /// This case with the options of a `--case` in place of its own.
  private func changed(by text: String) throws -> CaseSpec {
    var result = self
    for pair in try Self.list(text, "case") {
      let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw InputError("--case \(text): \"\(pair)\" is not KEY=VALUE")
      }
      switch parts[0] {
      case "placement": result.placement = try PlacementSpec(parsing: parts[1])
      case "replica-choice":
        result.replicaChoice = try Self.value(ReplicaChoice.self, parts[1], "replica-choice")
      case "wire": result.wire = try Self.value(ElementType.self, parts[1], "wire")
      default:
        throw InputError(
          "--case \(text): \(parts[0]) is not an option of a case, accepted are placement, "
            + "replica-choice, wire")
      }
    }
    return result
  }

  private static func list(_ text: String, _ name: String) throws -> [String] {
    let items = text.split(separator: ",", omittingEmptySubsequences: false).map {
      String($0.drop { $0 == " " })
    }
    guard !items.contains("") else {
      throw InputError("--\(name) \"\(text)\" has an empty entry")
    }
    return items
  }

  static func value<Value: RawRepresentable<String> & CaseIterable>(
    _ type: Value.Type, _ text: String, _ name: String
  ) throws -> Value {
    guard let value = Value(rawValue: text) else {
      let accepted = Value.allCases.map(\.rawValue).joined(separator: ", ")
      throw InputError("--\(name) \(text) is unknown, accepted are \(accepted)")
    }
    return value
  }
}
