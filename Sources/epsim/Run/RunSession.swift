// SPDX-License-Identifier: Apache-2.0
// epsim: what `run` and `compare` share: resolve, execute, record.

internal import CostModel
internal import ExpertParallel
internal import Foundation
internal import Kernels
internal import MPI
internal import MoE
internal import Placement
internal import Projection
internal import Reporting
internal import Timing
internal import Workloads

/// One execution of a set of cases on all ranks.
struct RunSession {
  let setup: WorkloadSetup
  var configuration: RunConfiguration
  let machine: Machine
  let cases: [CaseSpec]
  let context: KernelContext
  let files: InputFiles
  /// Instruction set and row rule of the ranks; more than one on a mixture of machines.
  let instructionSets: [String]
  /// The arguments with those of a configuration file in their place.
  let arguments: [String]
  /// What taking a stamp costs, nanoseconds; measured.
  let stampCost = SpanRecorder.measuredCost()
  let options: RunOptions
  /// Tokens of each size of a step over all ranks, in the order in which steps take them.
  let stepTokens: [Int]
  /// [cases] what the capacity of each case offers; nil where it is dropless.
  let capacityOffers: [CapacityUse.Offer?]
  /// What layers cost on these ranks, on rank 0; nil on the others, and where it is not asked for.
  let profile: ClusterProfile?
  /// What it says about the cases, on rank 0.
  private(set) var prediction: SessionPrediction?
  /// What placements called `auto` tried, on rank 0.
  let placementChoices: [AutoChoiceRecord]

  /// Resolves the options to a configuration. Collective.
  init(
    workload: WorkloadOptions, cases: [CaseSpec], exchangeTable: String?, run: RunOptions,
    arguments: [String], cluster: SessionCluster = .none, on comm: borrowing Communicator
  ) throws {
    try Self.check(run)
    let sizes = try StepSizes(run)
    try sizes.requireMeaning(for: cases, losses: run.losses)
    try comm.agree(classify: Launch.exitCode) {
      if comm.rank == 0 {
        try Self.checkOutput(run.output)
        if let path = run.timeline { try Self.requireWritable(path, option: "timeline") }
      }
    }
    let files = try InputFiles(on: comm) {
      try WorkloadSetup.requests(workload, placements: cases.map(\.placement))
        + ExchangeTableFile.requests(exchangeTable)
    }
    let machine = try Machine(on: comm)
    let context = try comm.agree(classify: Launch.exitCode) {
      try Self.context(threads: run.threads)
    }
    let everyRankHasBF16 =
      try comm.allReduce(Int32(context.environment.supportsBF16 ? 1 : 0), .min) == 1
    // Bits may depend on the instruction set, so a mixture must be seen.
    let own = context.environment
    let kinds = try comm.allGatherV(Array("\(own.instructionSet), rows \(own.rowBlock)".utf8))
    instructionSets = Set(kinds.map { String(decoding: $0, as: UTF8.self) }).sorted()
    self.cases = cases
    self.files = files
    self.arguments = arguments
    self.machine = machine
    self.context = context
    options = run
    // From here on every rank works on the same values; agreement covers what still may differ.
    let table: MeasuredExchanges?
    var configuration: RunConfiguration
    (setup, stepTokens, configuration, capacityOffers, table) = try comm.agree(
      classify: Launch.exitCode
    ) {
      let setup = try WorkloadSetup(workload, files: files, placements: cases.map(\.placement))
      let table = try ExchangeTableFile.table(
        exchangeTable, files: files, topology: machine.topology)
      let stepTokens = try sizes.overAllRanks(machine.topology.rankCount)
      let configuration = try Self.configuration(
        setup, cases: cases, run: run, files: files, topology: machine.topology,
        stepTokens: stepTokens, table: table, supportsBF16: everyRankHasBF16)
      let capacity = CapacityFigures(
        setup: setup, tokensPerStep: configuration.tokenCount,
        steps: run.warmup..<run.warmup + run.steps, rankCount: machine.topology.rankCount)
      return (setup, stepTokens, configuration, try cases.map(capacity.figures), table)
    }
    profile = try Self.profile(
      cluster, for: configuration, cases: cases, setup: setup, stepTokens: stepTokens,
      machine: machine, context: context, on: comm)
    let solved = try CaseSolving(
      setup: setup, files: files, projection: CaseProjection(configuration),
      tokensPerStep: configuration.tokenCount, judgedSteps: configuration.judgedSteps,
      precision: configuration.precision, secondLimit: cluster.secondLimit
    ).placements(of: cases, profile: profile, on: comm)
    for (index, placement) in solved.placements.enumerated() {
      if let placement { configuration.cases[index].placement = placement }
    }
    placementChoices = solved.choices
    self.configuration = configuration
    prediction = try comm.agree(classify: Launch.exitCode) {
      try profile.map {
        try SessionPrediction(self, by: $0, mustPredict: cluster.mustPredict)
      }
    }
    if comm.rank == 0, let remark = setup.modelRemark { Console.note(remark) }
    if comm.rank == 0, let table,
      let remark = ExchangeTableFile.remark(table, hosts: machine.hosts)
    {
      Console.note(remark)
    }
  }

  /// Refuses an output folder that cannot be made or written to, before anything takes long.
  private static func checkOutput(_ folder: String) throws {
    guard folder != "-" else { return }
    guard !folder.isEmpty else {
      throw InputError("--output is empty, accepted are a folder, or - for no record")
    }
    // Nothing is made yet: bad input further on must leave nothing behind.
    var existing = URL(fileURLWithPath: folder, isDirectory: true).standardizedFileURL
    while !FileManager.default.fileExists(atPath: existing.path), existing.path != "/" {
      existing.deleteLastPathComponent()
    }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: existing.path, isDirectory: &isFolder),
      isFolder.boolValue, FileManager.default.isWritableFile(atPath: existing.path)
    else {
      throw InputError("--output \(folder) is not a folder that can be made and written to")
    }
  }

  /// Refuses a file that cannot be written, before anything takes long.
  static func requireWritable(_ path: String, option: String) throws {
    guard !path.isEmpty, !path.hasSuffix("/") else {
      throw InputError("--\(option) \(path) is not a file in a folder that can be written to")
    }
    do {
      try OutputFile.requireWritable(path)
    } catch {
      throw InputError("--\(option) \(error)")
    }
  }
}
