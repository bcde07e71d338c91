// SPDX-License-Identifier: Apache-2.0
// epsim: what `run` and `compare` share: resolve, execute, record.

internal import CostModel
internal import ExpertParallel
internal import Foundation
internal import Kernels
internal import MPI
internal import MoE
internal import Placement
internal import Reporting
internal import Timing
internal import Workloads

/// One execution of a set of cases on all ranks.
struct RunSession {
  let setup: WorkloadSetup
  let configuration: RunConfiguration
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
  private let options: RunOptions

  /// Resolves the options to a configuration. Collective.
  init(
    workload: WorkloadOptions, cases: [CaseSpec], run: RunOptions,
    arguments: [String], on comm: borrowing Communicator
  ) throws {
    try Self.check(run)
    try comm.agree(classify: Launch.exitCode) {
      if comm.rank == 0 { try Self.checkOutput(run.output) }
    }
    let files = try InputFiles(on: comm) {
      try WorkloadSetup.requests(workload, placements: cases.map(\.placement))
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
    (setup, configuration) = try comm.agree(classify: Launch.exitCode) {
      let setup = try WorkloadSetup(workload, files: files, placements: cases.map(\.placement))
      return (
        setup,
        try Self.configuration(
          setup, cases: cases, run: run, files: files, topology: machine.topology,
          supportsBF16: everyRankHasBF16)
      )
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

  private static func context(threads: Int) throws -> KernelContext {
    guard threads == 1 || Backend.preferred == .oneDNN else {
      throw InputError("--threads \(threads), the portable kernels accept 1")
    }
    do {
      return try KernelContext(threads: threads)
    } catch {
      throw RunFailure("the compute kernels do not start: \(error)")
    }
  }

  private static func check(_ run: RunOptions) throws {
    func check(_ name: String, _ value: Int, _ accepted: ClosedRange<Int>) throws {
      guard accepted.contains(value) else {
        throw InputError(
          "--\(name) \(value), accepted are \(accepted.lowerBound) to \(accepted.upperBound)")
      }
    }
    try check("steps", run.steps, 1...100_000)
    try check("warmup", run.warmup, 0...100_000)
    try check("threads", run.threads, 1...1024)
    if let tokens = run.tokens { try check("tokens", tokens, 1...1_048_576) }
    if let tokens = run.tokensPerRank { try check("tokens-per-rank", tokens, 1...1_048_576) }
    if run.tokens != nil && run.tokensPerRank != nil {
      throw InputError("--tokens and --tokens-per-rank are both given, one is accepted")
    }
    if let memory = run.maxMemory, !(memory > 0 && memory < 1e9) {
      throw InputError("--max-memory \(memory), accepted is above 0, in GiB")
    }
  }

  private static func configuration(
    _ setup: WorkloadSetup, cases: [CaseSpec], run: RunOptions, files: InputFiles,
    topology: Topology, supportsBF16: Bool
  ) throws -> RunConfiguration {
    let ranks = topology.rankCount
    let tokens = run.tokensPerRank.map { $0 * ranks } ?? run.tokens ?? 1024
    guard tokens <= 1_048_576 else {
      throw InputError("--tokens-per-rank makes \(tokens) tokens, accepted are up to 1048576")
    }
    let dtype = try elementType(run.dtype, supportsBF16: supportsBF16)
    let steps = run.warmup + run.steps
    let source = setup.source(tokensPerStep: tokens)
    if source == nil { _ = try SoftmaxTopKRouter(model: setup.model) }
    let load =
      cases.contains { $0.placement.needsLoad }
      ? try setup.fittedLoad(
        judgedSteps: run.warmup..<steps, tokensPerStep: tokens, files: files) : nil
    let runCases = try cases.map { spec in
      try requireRanks(of: spec, ranks: ranks)
      return RunCase(
        name: spec.name(among: cases),
        placement: try setup.place(spec.placement, topology: topology, load: load, files: files),
        replicaChoice: spec.replicaChoice, wire: spec.wire ?? dtype,
        compute: spec.expertCompute, timing: spec.timing, disturbance: spec.disturbance)
    }
    if run.check, let spec = cases.first(where: { $0.compute != .real }) {
      throw InputError(
        "--check compares with real experts, which --compute \(spec.compute.rawValue) does not run")
    }
    return RunConfiguration(
      model: setup.model, layers: setup.layers, elementType: dtype, weightSharing: run.weights,
      seed: setup.options.seed, tokenCount: tokens,
      rankOfPosition: try rankOfPosition(setup, tokens: tokens, ranks: ranks, steps: steps),
      warmupSteps: run.warmup, measuredSteps: run.steps,
      routing: source.map { .workload($0) } ?? .router, cases: runCases, topology: topology,
      checksReference: run.check, memoryLimit: run.maxMemory.map { Int($0 * 0x1p30) })
  }

  /// Refuses a disturbance of a rank that does not exist.
  private static func requireRanks(of spec: CaseSpec, ranks: Int) throws {
    let disturbed = [
      ("delay", spec.delayText, spec.disturbance.delay?.rank),
      ("slow", spec.slowText, spec.disturbance.slowdown?.rank),
    ]
    for case (let name, let text?, let rank?) in disturbed where rank >= ranks {
      throw InputError("--\(name) \(text) is of rank \(rank), accepted are 0 to \(ranks - 1)")
    }
  }

  /// [steps][T]; steps share memory where every step deals its tokens alike.
  private static func rankOfPosition(
    _ setup: WorkloadSetup, tokens: Int, ranks: Int, steps: Int
  ) throws -> [[Int32]] {
    func deal(_ step: Int) throws -> [Int32] {
      try setup.rankOfPosition(step: step, tokensPerStep: tokens, rankCount: ranks)
    }
    return setup.options.assignment == .sequence
      ? try (0..<steps).map(deal) : Array(repeating: try deal(0), count: steps)
  }

  private static func elementType(_ text: String?, supportsBF16: Bool) throws -> ElementType {
    guard let text else { return supportsBF16 ? .bf16 : .f32 }
    let type = try CaseSpec.value(ElementType.self, text, "dtype")
    guard type != .bf16 || supportsBF16 else {
      throw InputError(
        "--dtype bf16 is not supported by the backend and CPU of every rank, accepted is f32")
    }
    return type
  }

  /// Runs all cases and writes the record. Collective.
  /// - Returns: the record on rank 0; nil on the others.
  func run(on comm: borrowing Communicator) throws -> RunRecord? {
    let progress = ProgressLine(isShown: comm.rank == 0)
    let result: RunResult?
    do {
      defer { progress.finish() }
      result = try InterleavedRun(configuration).run(on: comm, context: context) {
        progress.show($0)
      }
    }
    guard let result else { return nil }
    try Self.requireCountersMatch(result)
    let record = RecordBuilder(session: self, result: result).record
    if options.output != "-" {
      do {
        let path = try RecordCoding.write(record, folder: options.output)
        if !options.json { Console.note("record: \(path)") }
      } catch {
        throw RunFailure("the record cannot be written to \(options.output): \(error)")
      }
    }
    return record
  }

  /// The rows that MPI delivered must be those that the counters say.
  private static func requireCountersMatch(_ result: RunResult) throws {
    for caseResult in result.cases.flatMap({ $0 }) {
      for (step, (counters, rows)) in zip(caseResult.traffic, caseResult.receivedRows).enumerated()
      {
        for row in counters.placement.layers.indices {
          let counted = counters.layer(row).receivedPerRank
          let delivered = rows.map { $0[row] }
          guard counted == delivered else {
            throw RunFailure(
              "case \(caseResult.name), step \(step), layer \(counters.placement.layers[row]): "
                + "MPI delivered \(delivered) rows, counted were \(counted)")
          }
        }
      }
    }
  }
}
