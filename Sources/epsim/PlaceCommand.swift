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
      The load comes from the workload (see --fit) or from --load. Balancedness is mean rank load /
      max rank load with the load split evenly over replicas, on the load that was fitted.

      Examples:
        epsim place --load load.csv --ranks 8 --placement eplb+8
        epsim place --model deepseek-v2-lite --placement eplb+16:hierarchical --groups 8 \\
          --workload examples/traces/deepseek-v2-lite-law.safetensors --fit all \\
          --ranks 16 --nodes 2 --write plan.json
      """)

  @OptionGroup(title: "Model and workload") var workload: WorkloadOptions

  @Option(help: "Placement to solve, as for 'epsim run'.")
  var placement = "eplb"

  @Option(help: "Load file: a line per layer, a column per expert; replaces model and workload.")
  var load: String?

  @OptionGroup(title: "Machine") var machine: MachineOptions

  @Option(parsing: .unconditional, help: "Tokens that a generator is asked for.")
  var tokens = 4096

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
    let spec = try PlacementSpec(parsing: placement)
    let problem = try problem(spec, topology: topology)
    let start = MonotonicClock.now()
    let solved = try problem.solve()
    let elapsed = Double(MonotonicClock.now() - start) / 1e6

    let record = try PlacementRecord(
      solved, load: problem.load, nodes: topology.nodeCount, solveMs: elapsed)
    if let write {
      try solved.write(toPath: write, as: format)
      Console.note("placement: \(write)")
    }
    if json {
      print(try RecordCoding.text(record))
    } else {
      print(PlacementReport(record).text)
    }
  }

  /// The format of the written file; nil where none is written.
  private func outputFormat() throws -> PlacementFormat? {
    guard let write else {
      guard format == nil else { throw InputError("--format is of the file that --write names") }
      return nil
    }
    if let format { return try PlacementFormat(parsing: format, option: "--format") }
    guard let format = PlacementFormat(ofOutput: write) else {
      throw InputError(
        "--write \(write), accepted are files that end in .json, .csv, .npy, .safetensors, .yaml or "
          + ".yml, or any with --format")
    }
    return format
  }

  private struct Problem {
    let load: LoadHistogram
    let solve: () throws -> ExpertPlacement
  }

  private func problem(_ spec: PlacementSpec, topology: Topology) throws -> Problem {
    if let load {
      guard workload.workload == "router", workload.fit == nil, workload.layers == "all" else {
        throw InputError(
          "--load \(load) is the whole load; --workload, --layers and --fit do not go with it")
      }
      let histogram = try LoadHistogram(
        bytes: InputFile.bytes(ofPath: load, kind: "load file"), name: "load file \(load)")
      let groups = workload.groups ?? 1
      guard (1...histogram.expertCount).contains(groups) else {
        throw InputError("--groups \(groups), accepted are 1 to \(histogram.expertCount)")
      }
      return Problem(load: histogram) {
        try spec.place(
          load: histogram, topology: topology, groups: groups, modelLayers: histogram.layers)
      }
    }
    guard (1...1_048_576).contains(tokens) else {
      throw InputError("--tokens \(tokens), accepted are 1 to 1048576")
    }
    let files = try InputFiles(WorkloadSetup.requests(workload, placements: [spec]))
    let setup = try WorkloadSetup(workload, files: files, placements: [spec])
    if let remark = setup.modelRemark { Console.note(remark) }
    // The report judges by the load even where the placement does not look at it; a live router
    // tells none.
    let needed = setup.spec == nil && setup.fit == .tokens(.all) ? [spec] : [spec, .lpt]
    let fitted = try setup.fitted(
      for: needed, judgedSteps: 0..<1, tokensPerStep: tokens, rankCount: topology.rankCount,
      files: files)
    return Problem(load: fitted.load) {
      try setup.place(spec, topology: topology, fitted: fitted, files: files)
    }
  }
}
