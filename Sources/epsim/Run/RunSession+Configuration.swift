// SPDX-License-Identifier: Apache-2.0
// epsim: from checked options to the configuration of a run.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MoE
internal import Placement
internal import Workloads

extension RunSession {
  static func context(threads: Int) throws -> KernelContext {
    guard threads == 1 || Backend.preferred == .oneDNN else {
      throw InputError("--threads \(threads), the portable kernels accept 1")
    }
    do {
      return try KernelContext(threads: threads)
    } catch {
      throw RunFailure("the compute kernels do not start: \(error)")
    }
  }

  static func check(_ run: RunOptions) throws {
    func check(_ name: String, _ value: Int, _ accepted: ClosedRange<Int>) throws {
      guard accepted.contains(value) else {
        throw InputError(
          "--\(name) \(value), accepted are \(accepted.lowerBound) to \(accepted.upperBound)")
      }
    }
    try check("steps", run.steps, 1...100_000)
    try check("warmup", run.warmup, 0...100_000)
    try check("threads", run.threads, 1...1024)
    guard run.watchdog == 0 || (1...1e6).contains(run.watchdog) else {
      throw InputError("--watchdog \(run.watchdog), accepted are 0 and 1 to 1e6 seconds")
    }
    if let length = run.sequenceLength {
      try check("sequence-length", length, 1...1_048_576)
      guard run.losses else {
        throw InputError("--sequence-length \(length) has no effect without --losses")
      }
    }
    if run.resume && run.addLaunch {
      throw InputError("--resume and --add-launch are both given, one is accepted")
    }
    if let memory = run.maxMemory, !(memory > 0 && memory < 1e9) {
      throw InputError("--max-memory \(memory), accepted is above 0, in GiB")
    }
  }

  static func configuration(
    _ setup: WorkloadSetup, cases: [CaseSpec], run: RunOptions, files: InputFiles,
    topology: Topology, stepTokens: [Int], table: MeasuredExchanges?, supportsBF16: Bool
  ) throws -> RunConfiguration {
    let ranks = topology.rankCount
    // Windows of a workload are as large as the largest step.
    let tokens = stepTokens.max()!
    let (warmup, measured) = (run.warmup * stepTokens.count, run.steps * stepTokens.count)
    let dtype = try elementType(run.dtype, supportsBF16: supportsBF16)
    try setup.model.requireFullWidthRows()
    let fitted = try setup.fitted(
      for: cases.map(\.placement).filter { !$0.needsPrices },
      judgedSteps: warmup..<warmup + measured, tokensPerStep: tokens, rankCount: ranks,
      files: files)
    if let length = run.sequenceLength, setup.router == nil {
      throw InputError(
        "--sequence-length \(length) has no effect: looked-up choices have no probabilities, which "
          + "the loss of a sequence needs; accepted with --workload router")
    }
    let routing = try CaseRoutings(
      cases, setup: setup, tokensPerStep: tokens, rankCount: ranks)
    // What a placement that starts from another one starts from: the first of the list.
    var first: ExpertPlacement?
    let runCases = try cases.enumerated().map { index, spec in
      try requireRanks(of: spec, ranks: ranks)
      if let rate = spec.biasUpdate, run.resume {
        throw InputError(
          "--resume with --bias-update \(rate): the bias of the steps that are there is not kept; "
            + "repeat the run")
      }
      if let text = spec.automatic.text, run.resume || run.addLaunch {
        throw InputError(
          "\(run.resume ? "--resume" : "--add-launch") with \(text): what was chosen in the steps "
            + "that are there is not kept; repeat the run")
      }
      let (exchange, selection) = try spec.exchange(
        defaultWire: WireFormat(dtype), table: table)
      let placement =
        spec.placement.needsPrices
        ? try spec.placement.unsolved(setup.model, layers: setup.layers, topology: topology)
        : try setup.place(spec.placement, topology: topology, fitted: fitted, files: files) {
          $0.current = first
        }
      if index == 0, !spec.placement.needsPrices { first = placement }
      return RunCase(
        name: spec.name(among: cases), routing: routing.indexOfCase[index], placement: placement,
        replicaChoice: spec.replicaChoice,
        exchange: exchange, selection: selection, compute: spec.expertCompute, timing: spec.timing,
        disturbance: spec.disturbance)
    }
    if run.check, let spec = cases.first(where: { $0.compute != .real }) {
      throw InputError(
        "--check compares with real experts, which --compute \(spec.compute.rawValue) does not run")
    }
    return RunConfiguration(
      model: setup.model, layers: setup.layers, elementType: dtype,
      weightSharing: run.weights ?? .shared,
      seed: setup.options.seed, tokenCount: tokens,
      rankOfPosition: try rankOfPosition(
        setup, stepTokens: stepTokens, ranks: ranks, steps: warmup + measured),
      warmupSteps: warmup, measuredSteps: measured,
      routings: routing.routings, cases: runCases, topology: topology,
      checksReference: run.check,
      balance: run.losses ? BalanceRequest(sequenceLength: run.sequenceLength ?? 128) : nil,
      memoryLimit: run.maxMemory.map { Int($0 * 0x1p30) })
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

  /// [steps][T of the step]; sizes take turns, and steps of a size share memory where they deal
  /// their tokens alike.
  private static func rankOfPosition(
    _ setup: WorkloadSetup, stepTokens: [Int], ranks: Int, steps: Int
  ) throws -> [[Int32]] {
    func deal(_ step: Int) throws -> [Int32] {
      try setup.rankOfPosition(
        step: step, tokenCount: stepTokens[step % stepTokens.count],
        tokensPerStep: stepTokens.max()!, rankCount: ranks)
    }
    if setup.options.assignment == .sequence { return try (0..<steps).map(deal) }
    let dealt = try stepTokens.indices.map(deal)
    return (0..<steps).map { dealt[$0 % dealt.count] }
  }

  static func elementType(_ text: String?, supportsBF16: Bool) throws -> ElementType {
    guard let text else { return supportsBF16 ? .bf16 : .f32 }
    let type = try CaseSpec.value(ElementType.self, text, "dtype")
    guard type != .bf16 || supportsBF16 else {
      throw InputError(
        "--dtype bf16 is not supported by the backend and CPU of every rank, accepted is f32")
    }
    return type
  }
}
