// SPDX-License-Identifier: Apache-2.0
// epsim: the options that say what is simulated.

public import ArgumentParser
internal import Kernels
public import MoE
internal import Placement
internal import Projection
public import Workloads

/// The model and what its tokens do.
struct WorkloadOptions: ParsableArguments {
  @Option(
    help: "Model preset (see 'epsim model'), or the path of a preset file or of a config.json.")
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
      Where the experts' choices come from: router, computed live by the model's rule, or \
      router:NAME by another one: \(RouterSpec.names) (docs/routers.md); a trace (.safetensors); \
      or a generator NAME[:VALUE][:KEY=VALUE]...: \
      \(WorkloadSpec.catalogue.map(\.usage).joined(separator: ", ")) (docs/workloads.md).
      """)
  var workload = "router"

  @Option(
    help: """
      Tokens that fitted placements see: first-half of the trace (judged on the second), all, or \
      a load file (.csv: a line per layer, a column per expert). Default: first-half where a \
      placement is fitted, else all.
      """)
  var fit: String?

  @Option(help: "How tokens are dealt to ranks: block, round-robin, ragged or sequence.")
  var assignment = TokenAssignment.block

  @Option(
    parsing: .unconditional,
    help: "Groups of consecutive experts for hierarchical EPLB. Default: the model's.")
  var groups: Int?

  @Option(
    parsing: .unconditional, help: "Seed of weights, inputs, generators and the order of cases.")
  var seed: UInt64 = 1
}

/// The cases: where experts live. Comma lists make a case of every combination.
struct CaseOptions: ParsableArguments {
  @Option(
    help: """
      Expert placements, NAME[+EXTRA][:PARAM] or a file: \
      \(PlacementSpec.catalogue.map(\.name).joined(separator: ", ")). EXTRA slots are over all \
      ranks; parameters: docs/placement.md.
      """)
  var placement = "contiguous"

  @Option(
    help: """
      Which copy of a replicated expert serves a token: \
      \(ReplicaChoice.allCases.map(\.rawValue).joined(separator: ", ")).
      """)
  var replicaChoice = "expert-rr"

  @Option(
    name: .customLong("case"),
    help: ArgumentHelp(
      "One case by its own options, such as 'placement=eplb+8,replica-choice=nearest'; repeatable.",
      valueName: "key=value,..."))
  var cases: [String] = []
}

/// How many experts a token gets, and what they take; comma lists make cases as well.
struct RoutingOptions: ParsableArguments {
  @Option(
    help: """
      Experts per token. Default: the model's. Of a trace the first choices are taken, in its order.
      """)
  var topK: String?

  @Option(
    help: """
      Capacity factor: every expert takes ceil(T K FACTOR / E) assignments of a batch, or none: all \
      that are sent (dropless).
      """)
  var capacity: String?

  @Option(
    help: """
      What an expert above its capacity keeps: position (first come), probability (largest weights), \
      random, or reroute (the others go to their next-best expert with room).
      """)
  var dropPolicy: String?

  @Option(help: "The batch that capacity counts in: the tokens of each rank, or global.")
  var capacityScope: String?
}

/// How the run is carried out.
struct RunOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: """
      Tokens per step over all ranks. Default: 1024. compare takes a list, such as 16,64,256: steps \
      of every size in turn, and which exchange is fastest for which.
      """)
  var tokens: String?

  @Option(
    parsing: .unconditional,
    help: "Tokens per step on every rank, or a list, instead of --tokens.")
  var tokensPerRank: String?

  @Option(
    parsing: .unconditional, help: "Measured steps of every size; intervals need at least 8.")
  var steps = 10

  @Option(parsing: .unconditional, help: "Steps of every size before the measurement.")
  var warmup = 2

  @Option(help: "Format of activations and weights: f32, bf16. Default: bf16 where supported.")
  var dtype: String?

  @Option(
    help: """
      shared: every layer uses the weights of layer 0; per-layer: each has its own. Default: shared.
      """)
  var weights: ModelWeights.Sharing?

  @Option(parsing: .unconditional, help: "Threads of the products on every rank.")
  var threads = 1

  @Option(
    parsing: .unconditional,
    help: "Memory that the ranks of one node may use, GiB. Default: what is free.")
  var maxMemory: Double?

  @Flag(help: "Compare every layer's output with the slow reference layer.")
  var check = false

  @Flag(
    help: """
      Print balance losses and signals of every layer: auxiliary losses by batch and sequence, z-loss, \
      device and communication loss, CV^2, entropy.
      """)
  var losses = false

  @Option(
    parsing: .unconditional,
    help: "Tokens of a sequence for the losses per sequence. Default: 128.")
  var sequenceLength: Int?

  @Option(help: "Folder for record.json and samples.safetensors; '-' writes none.")
  var output = "results"

  @Option(
    help: """
      Write what every rank did when, as a trace that ui.perfetto.dev and chrome://tracing open.
      """)
  var timeline: String?

  @Flag(help: "Finish the run that left its rounds in --output: add those that are missing.")
  var resume = false

  @Flag(
    help: """
      Repeat the measurement in this launch and add it to the record in --output; \
      'scripts/launch --launches N' does so N - 1 times.
      """)
  var addLaunch = false

  @Option(
    parsing: .unconditional,
    help: """
      Seconds that one phase of one layer may take before the job is ended as stalled, ten times as \
      long outside of steps; 0 for no limit.
      """)
  var watchdog = 300.0

  @Flag(help: "Print the record as JSON on stdout, and nothing else there.")
  var json = false

  @Option(help: "YAML file with any of these options; the command line overrides it.")
  var config: String?
}

extension TokenAssignment: ExpressibleByArgument {}
extension ModelWeights.Sharing: ExpressibleByArgument {}

extension ExchangeSchedule: ExpressibleByArgument {}
