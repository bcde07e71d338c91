// SPDX-License-Identifier: Apache-2.0
// epsim: what a session runs, in the words of a record.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MPI
internal import MoE
internal import Placement
internal import Reporting
internal import Workloads

extension RunSession {
  /// What samples of several launches must agree in.
  var identity: RunIdentity {
    RunIdentity(
      model: recordedModel, workload: recordedWorkload, ranks: machine.topology.rankCount,
      nodes: machine.topology.nodeCount, backend: backend, isa: isa,
      threads: context.environment.threads, mpi: MPIEnvironment.libraryVersion,
      cases: cases.map { spec in
        CaseKnob.all.map { "\($0.name)=\($0.word(spec))" }.joined(separator: " ")
      },
      // A file may hold another placement than it did, or a load that leads to one.
      placements: configuration.cases.map(\.placement.fingerprint))
  }

  /// Whether some machine has more ranks times threads than cores, and computes for real: its
  /// times are then no measurement. Stand-ins sleep and need no core.
  var isFunctionalOnly: Bool {
    configuration.cases.contains { $0.compute == .real }
      && machine.isFunctionalOnly(threads: context.environment.threads)
  }

  /// Library and version that multiplies.
  var backend: String {
    let kernels = context.environment
    return "\(kernels.backend.rawValue) \(kernels.backendVersion)"
  }

  /// Instruction sets and row rules of all ranks.
  var isa: String { instructionSets.joined(separator: " and ") }

  var recordedModel: RunRecord.Model {
    let model = configuration.model
    return RunRecord.Model(
      name: model.name, source: model.source, hiddenSize: model.hiddenSize,
      expertFfnSize: model.expertFFNSize, experts: model.expertCount, topK: model.topK,
      sharedExperts: model.sharedExpertCount, layers: configuration.layers,
      dtype: configuration.elementType.rawValue, weights: configuration.weightSharing.rawValue)
  }

  var recordedWorkload: RunRecord.Workload {
    return RunRecord.Workload(
      name: setup.options.workload, kind: setup.kind, tokensPerStep: configuration.tokenCount,
      stepTokens: stepTokens,
      assignment: setup.options.assignment.rawValue, fit: setup.fitDescription,
      judged: setup.judgedDescription,
      judgedTokens: setup.trace == nil ? nil : setup.judgedTokens.count,
      warmupSteps: configuration.warmupSteps,
      measuredSteps: configuration.measuredSteps, seed: configuration.seed)
  }
}
