// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim project`.

internal import ArgumentParser
internal import CostModel
internal import Foundation
internal import MoE
internal import Placement
internal import Projection
internal import Reporting
internal import Timing
internal import Workloads

/// Computes what steps would take on a cluster that one does not have.
struct ProjectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "project",
    abstract: "Compute step times on a cluster from its profile, without running anything.",
    discussion: """
      Every rank gets --tokens-per-rank tokens (weak scaling); a trace that is too
      short is resampled by runs of its sequences. Comma lists make cases. Profiles
      are in clusters/ (docs/clusters.md) or written by 'epsim calibrate'; the model is
      docs/projection.md.

      Examples:
        epsim project --cluster dgx-h100 --model deepseek-v3 --workload zipf:0.8 \\
          --layers 4 --ranks 32,64,128,256
      When does one copy per node pay, and for whom:
        epsim project --cluster dgx-h100 --model deepseek-v3 --workload uniform \\
          --layers 2 --ranks 16,64,256 --dedup none,node --mode prefill
      What replicas bring, on a real trace:
        epsim project --cluster cpu-25gbe --model deepseek-v2-lite --ranks 8,16 \\
          --workload examples/traces/deepseek-v2-lite-law.safetensors \\
          --placement contiguous,lpt,eplb+16
      """)

  /// What a step is a step of.
  enum Mode: String, CaseIterable, ExpressibleByArgument {
    case decode, prefill, training
  }

  @Option(help: "Profile of the cluster: a name (clusters/NAME.yaml), or the path of a file.")
  var cluster: String

  @Option(help: "Numbers of ranks, up to 4096.")
  var ranks = "8,16,32,64"

  @Option(
    help: """
      decode: 128 tokens a rank; prefill: 4096; training: 4096, forward and backward (gradients take \
      both exchanges once more, and twice the products).
      """)
  var mode = Mode.decode

  @Option(parsing: .unconditional, help: "Tokens of a rank and step. Default: by --mode.")
  var tokensPerRank: Int?

  @Option(parsing: .unconditional, help: "Batches of the workload; the median step is printed.")
  var steps = 3

  @Option(help: "Format of weights and products: f32, bf16, fp8, fp4, as the profile has peaks.")
  var precision = "bf16"

  @Option(
    parsing: .unconditional,
    help: "Time between two layers on every rank, where attention would be, us.")
  var attentionUs = 0.0

  @Option(
    help: """
      How rows share the network: bound, as well as the busiest port allows; flows, all at once with \
      max-min shares of every link; linear or pairwise, as these algorithms of MPI_Alltoallv send.
      """)
  var schedule = ExchangeSchedule.bound

  @OptionGroup(title: "Model and workload") var workload: WorkloadOptions
  @OptionGroup(title: "Placement") var cases: CaseOptions
  @OptionGroup(title: "Routing and capacity") var routing: RoutingOptions
  @OptionGroup(title: "Exchange and compute") var execution: ExecutionOptions

  @Option(
    help: ArgumentHelp(
      """
      Write the bytes of a step between all pairs of ranks, to the experts and back: .npy or .csv. For \
      one case on one number of ranks.
      """, valueName: "file"))
  var matrix: String?

  @Option(
    help: ArgumentHelp(
      """
      Write what every rank would do when, as a trace that ui.perfetto.dev opens. For one case on one \
      number of ranks.
      """, valueName: "file"))
  var timeline: String?

  @Flag(help: "Print a record of the projection as JSON on stdout, and nothing else there.")
  var json = false

  @Option(help: "YAML file with any of these options; the command line overrides it.")
  var config: String?

  mutating func run() throws {
    let profile = try ClusterLibrary.open(cluster)
    let counts = try rankCounts()
    let (cases, remark) = try CaseSpec.all(self.cases, routing, execution)
    let placements = cases.map(\.placement)
    let files = try InputFiles(WorkloadSetup.requests(workload, placements: placements))
    let setup = try WorkloadSetup(workload, files: files, placements: placements)
    if let remark { Console.note(remark) }
    if let remark = setup.modelRemark { Console.note(remark) }
    let run = try projection(setup, files: files, profile: profile)
    try requireOnePoint(cases: cases.count, ranks: counts.count)
    var points: [ProjectedPoint] = []
    for (number, ranks) in counts.enumerated() {
      for (index, spec) in cases.enumerated() {
        if Console.isTerminal {
          let done = number * cases.count + index
          Console.replaceLine("projection \(done + 1) of \(counts.count * cases.count)")
        }
        points.append(try run.point(spec, name: spec.name(among: cases), ranks: ranks))
      }
    }
    if Console.isTerminal { Console.replaceLine("") }
    let report = ProjectionReport(
      points, profile: profile, model: setup.model.name, workload: workload.workload,
      layerCount: setup.layers.count, tokensPerRank: run.tokensPerRank, mode: mode.rawValue,
      schedule: schedule)
    try writeDetail(of: cases[0], ranks: counts[0], run, profile: profile)
    print(json ? try report.json : report.text)
  }

  /// Checks the files of one point before anything is computed.
  private func requireOnePoint(cases: Int, ranks: Int) throws {
    for case (let option, let path?) in [("matrix", matrix), ("timeline", timeline)] {
      guard cases == 1, ranks == 1 else {
        throw InputError(
          "--\(option) \(path) is of one case on one number of ranks, here are \(cases) and "
            + "\(ranks)")
      }
      try RunSession.requireWritable(path, option: option)
    }
    if let matrix { _ = try ByteMatrix(rankCount: 0).encoded(forPath: matrix) }
  }

  private func writeDetail(
    of spec: CaseSpec, ranks: Int, _ run: ProjectionRun, profile: ClusterProfile
  ) throws {
    guard matrix != nil || timeline != nil else { return }
    let detail = try run.detail(spec, ranks: ranks)
    do {
      if let matrix {
        try OutputFile.write(try detail.matrix.encoded(forPath: matrix), toPath: matrix)
        if !json { Console.note("matrix: \(matrix)") }
      }
      if let timeline {
        let nodes = detail.counters.topology.nodeOfRank
        try TimelineTrace(
          cases: [
            .init(
              name: "projected", layers: detail.counters.placement.layers,
              timeline: detail.timeline, traffic: [detail.counters])
          ], nodeOfRank: nodes, hosts: nodes.map { "\(profile.name)-\($0)" }, clocks: [],
          clockErrorUs: 0
        ).write(to: timeline)
        if !json { Console.note("timeline: \(timeline)") }
      }
    } catch let error as InputError {
      throw error
    } catch {
      throw RunFailure("the files of the projection cannot be written: \(error)")
    }
  }

  private func rankCounts() throws -> [Int] {
    let counts = try ranks.split(separator: ",", omittingEmptySubsequences: false).map {
      guard let count = Int($0), (1...ProjectionRun.mostRanks).contains(count) else {
        throw InputError(
          "--ranks \(ranks): \"\($0)\", accepted are 1 to \(ProjectionRun.mostRanks)")
      }
      return count
    }
    return Set(counts).sorted()
  }

  private func projection(
    _ setup: WorkloadSetup, files: InputFiles, profile: ClusterProfile
  ) throws -> ProjectionRun {
    let tokens = tokensPerRank ?? (mode == .decode ? 128 : 4096)
    guard (1...65_536).contains(tokens) else {
      throw InputError("--tokens-per-rank \(tokens), accepted are 1 to 65536")
    }
    guard (1...1000).contains(steps) else {
      throw InputError("--steps \(steps), accepted are 1 to 1000")
    }
    guard (0...1e9).contains(attentionUs) else {
      throw InputError("--attention-us \(attentionUs), accepted are 0 to 1e9")
    }
    guard workload.assignment == .block else {
      throw InputError(
        "--assignment \(workload.assignment.rawValue), a projection deals tokens by block")
    }
    let known = profile.precisions.map(\.rawValue)
    guard let precision = Precision(rawValue: precision), known.contains(precision.rawValue) else {
      throw InputError(
        "--precision \(precision), cluster \(profile.name) has peaks for "
          + known.joined(separator: ", "))
    }
    return ProjectionRun(
      setup: setup, files: files, profile: profile, precision: precision, tokensPerRank: tokens,
      batches: steps, runsBackward: mode == .training, betweenLayers: .microseconds(attentionUs),
      schedule: schedule)
  }
}
