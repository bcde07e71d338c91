// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim place`.

internal import ArgumentParser
internal import CostModel
internal import Foundation
internal import MoE
internal import Placement
internal import Reporting
internal import Timing
internal import Workloads

/// Solves a placement and says how good it is.
struct PlaceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "place",
    abstract: "Solve an expert placement from a trace or a load file.",
    discussion: """
      The load comes from the workload (see --fit) or from --load. Balancedness is
      mean rank load / max rank load with the load split evenly over replicas, on
      the load that was fitted. Placements are judged on tokens that they were not
      fitted to (docs/placement.md).

      Examples:
        epsim place --load load.csv --ranks 8 --placement eplb+8
      Which placement is best for this cluster, and how much better could one be:
        epsim place --model deepseek-v2-lite --placement contiguous,lpt,eplb+16 \\
          --workload examples/traces/deepseek-v2-lite-law.safetensors \\
          --ranks 8 --nodes 2 --cluster emulated-1gbit --dedup node \\
          --replica-choice expert-rr,nearest
        epsim place --model deepseek-v2-lite --placement eplb+16:hierarchical \\
          --workload examples/traces/deepseek-v2-lite-law.safetensors --fit all \\
          --groups 8 --ranks 16 --nodes 2 --write plan.json
      Does it pay that ranks lend each other experts for single batches:
        epsim place --model deepseek-v3 --layers 3 --workload zipf:1.1 \\
          --tokens 32768 --ranks 8 --placement contiguous,eplb+32 \\
          --cluster dgx-h100 --per-batch spill,shadow
      How many experts move when a rank loses its experts, leaves, or comes:
        epsim place --model deepseek-v2-lite --ranks 8 --rank-change -1,+1 \\
          --workload examples/traces/deepseek-v2-lite-law.safetensors \\
          --placement contiguous,lpt,consistent-hash
      """)

  @OptionGroup(title: "Model and workload") var workload: WorkloadOptions

  @Option(help: "Placements to solve, as for 'epsim compare'; several are set side by side.")
  var placement = "eplb"

  @Option(help: "Load file: a line per layer, a column per expert; replaces model and workload.")
  var load: String?

  @Option(
    help: """
      Judge on another workload: a trace or a generator of the same model; with --load another \
      load file. --fit is then all.
      """)
  var judge: String?

  @OptionGroup(title: "Machine") var machine: MachineOptions

  @OptionGroup(title: "Ranks") var ranks: RankOptions

  @Option(
    help: """
      Cluster profile, a name (clusters/NAME.yaml) or the path of a file: times are modelled on it.
      """)
  var cluster: String?

  @Option(
    help: """
      Which copy of a replicated expert serves a token: \
      \(ReplicaChoice.allCases.map(\.rawValue).joined(separator: ", ")). With --dedup and --combine \
      a plan; every combination of their lists is judged.
      """)
  var replicaChoice = "expert-rr"

  @Option(help: "Which copies travel: none, one per assignment; rank; node. See 'epsim run'.")
  var dedup = "none"

  @Option(help: "How results return: exact, one per assignment; pre-reduced. See 'epsim run'.")
  var combine = "exact"

  @Option(
    parsing: .unconditional,
    help: """
      Seconds that a strategy which searches may take, each time that it is fitted: once more for \
      regret, and for each window of --drift.
      """)
  var maxSeconds = 10.0

  @Flag(help: "Fit to windows of the whole workload in turn, and let the fits grow old.")
  var drift = false

  @Option(
    help: ArgumentHelp(
      """
      Experts that ranks lend each other for single batches, to be judged on every placement: \
      \(TransientRule.accepted).
      """, valueName: "list"))
  var perBatch: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Say instead how many experts move when a rank loses its experts, and when so many ranks \
      leave or come.
      """, valueName: "-n,+n"))
  var rankChange: String?

  @Option(
    parsing: .unconditional,
    help: """
      Tokens of a step over all ranks. Default: 4096 of a generator; of a trace a sixteenth, 4096 at \
      most.
      """)
  var tokens: Int?

  @Option(
    help: """
      Write the placement to this file. Its ending tells the format: .json, .csv with the slots of \
      each layer, .npy, .safetensors, .yaml (TensorRT-LLM).
      """)
  var write: String?

  @Option(help: "Format of the written file: \(PlacementFormat.names).")
  var format: String?

  @Flag(help: "Print the placement as JSON on stdout, and nothing else there.")
  var json = false

  @Option(help: "YAML file with any of these options; the command line overrides it.")
  var config: String?

  mutating func run() throws {
    let topology = try machine.topology()
    let format = try outputFormat()
    if let write { try RunSession.requireWritable(write, option: "write") }
    let specs = try placements()
    try ranks.requireUse(of: specs)
    let settings = try settings()
    guard specs.count * settings.count == 1 || write == nil else {
      throw InputError(
        "--write \(write!) takes one placement, here are "
          + (specs.count > 1
            ? "\(specs.count): \(placement)" : "\(settings.count) ways to fit and to judge it"))
    }
    guard maxSeconds >= 0, maxSeconds <= 86_400 else {
      throw InputError("--max-seconds \(maxSeconds), accepted are 0 to 86400")
    }
    guard !drift || specs.contains(where: \.needsLoad) else {
      throw InputError("--drift: \(placement) is not fitted, so it does not grow old")
    }
    if load == nil, workload.fit == nil {
      // All placements of a list see the same tokens.
      workload.fit =
        judge != nil || !specs.contains(where: \.needsLoad)
        ? FitRange.all.rawValue : FitRange.firstHalf.rawValue
    }
    _ = try transientRules()
    try requireJudgedLoad()
    if let rankChange {
      try reportRankChanges(rankChange, specs, settings, topology: topology)
      return
    }
    let solved = try specs.flatMap { spec in
      let solved = try solve(spec, settings, topology: topology)
      try requireCounters(solved, count: specs.count * settings.count)
      return solved
    }
    if let write {
      try solved[0].placement.write(toPath: write, as: format)
      Console.note("placement: \(write)")
    }
    try report(solved, topology: topology)
  }

  /// What counters of tokens of all placements may take: 2 GiB.
  private static let counterBytes = 1 << 31

  /// Refuses more ranks than tokens can be counted for, from each rank to each.
  private func requireCounters(_ solved: [Solved], count: Int) throws {
    for entry in solved where entry.problem.lab != nil {
      let (placement, ranks) = (entry.placement, machine.ranks)
      let most = TrafficCounters.mostRanks(
        layerCount: placement.layers.count * count, bytes: Self.counterBytes)
      guard placement.rankCount <= most else {
        throw InputError(
          "--ranks \(ranks): judging on tokens counts from every rank to every rank, here "
            + "accepted are at most \(most) ranks (layers: \(placement.layers.count), placements: "
            + "\(count))")
      }
    }
  }

  /// Refuses a load to judge on that is of other experts or layers.
  private func requireJudgedLoad() throws {
    guard let load, let judge else { return }
    let (fitted, judged) = (try Self.histogram(load), try Self.histogram(judge))
    guard judged.expertCount == fitted.expertCount, Set(judged.layers).isSuperset(of: fitted.layers)
    else {
      throw InputError(
        "--judge \(judge) has \(judged.expertCount) experts in \(judged.layers.count) layers, "
          + "accepted are \(fitted.expertCount) in \(fitted.layers.count) as in --load \(load)")
    }
  }

  private func placements() throws -> [PlacementSpec] {
    let words = placement.split(separator: ",", omittingEmptySubsequences: false).map {
      String($0.drop { $0 == " " })
    }
    guard !words.contains("") else {
      throw InputError("--placement \"\(placement)\" has an empty entry")
    }
    if let twice = words.enumerated().first(where: { words[..<$0.offset].contains($0.element) }) {
      throw InputError("placement \(twice.element) is given twice, placements must differ")
    }
    return try words.map { try PlacementSpec(parsing: $0) }
  }

  /// The format of the written file; nil where none is written.
  private func outputFormat() throws -> PlacementFormat? {
    guard let write else {
      guard format == nil else { throw InputError("--format is of the file that --write names") }
      return nil
    }
    let usual = PlacementFormat(ofOutput: write)
    if let format = try format.map({ try PlacementFormat(parsing: $0, option: "--format") }) {
      // Numbers alone do not tell that they are CSV.
      guard usual?.endings ?? (format == .csv ? [] : format.endings) == format.endings else {
        throw InputError(
          "--format \(format.rawValue) does not go with --write \(write), accepted are paths that "
            + "end in \(format.endings.joined(separator: " or "))")
      }
      return format
    }
    guard let format = usual else {
      throw InputError(
        "--write \(write), accepted are files that end in .json, .csv, .npy, .safetensors, .yaml or "
          + ".yml, or any with --format")
    }
    return format
  }
}
