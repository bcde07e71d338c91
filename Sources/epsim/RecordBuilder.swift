// SPDX-License-Identifier: Apache-2.0
// epsim: from a session and its results to a record.

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

/// Puts together what a run writes down.
struct RecordBuilder {
  let session: RunSession
  let result: RunResult

  var record: RunRecord {
    RunRecord(
      created: ISO8601DateFormatter().string(from: Date()),
      command: session.arguments,
      environment: environment, model: model, workload: workload, cases: cases)
  }

  private var environment: RunRecord.Environment {
    let (machine, kernels) = (session.machine, session.context.environment)
    return RunRecord.Environment(
      epsim: EPSim.version, mpi: MPIEnvironment.libraryVersion,
      backend: "\(kernels.backend.rawValue) \(kernels.backendVersion)",
      isa: session.instructionSets.joined(separator: " and "), ranks: machine.topology.rankCount,
      nodes: machine.topology.nodeCount, hosts: machine.hosts, cores: machine.cores,
      functionalOnly: machine.isFunctionalOnly(threads: kernels.threads),
      threads: kernels.threads, clockErrorUs: result.clocksAreAligned ? clockError : nil)
  }

  /// Ranks on one clock differ by no more than its granularity.
  private var clockError: Double { Double(session.machine.clockGranularity) / 1000 }

  private var model: RunRecord.Model {
    let configuration = session.configuration
    let model = configuration.model
    return RunRecord.Model(
      name: model.name, source: model.source, hiddenSize: model.hiddenSize,
      expertFfnSize: model.expertFFNSize, experts: model.expertCount, topK: model.topK,
      sharedExperts: model.sharedExpertCount, layers: configuration.layers,
      dtype: configuration.elementType.rawValue, weights: configuration.weightSharing.rawValue)
  }

  private var workload: RunRecord.Workload {
    let (setup, configuration) = (session.setup, session.configuration)
    return RunRecord.Workload(
      name: setup.options.workload, kind: setup.kind, tokensPerStep: configuration.tokenCount,
      assignment: setup.options.assignment.rawValue, fit: setup.fitDescription,
      judged: setup.judgedDescription,
      judgedTokens: setup.trace == nil ? nil : setup.judgedTokens.count,
      warmupSteps: configuration.warmupSteps,
      measuredSteps: configuration.measuredSteps, seed: configuration.seed)
  }

  private var cases: [CaseRecord] {
    let bases = Dictionary(
      uniqueKeysWithValues: result.cases[0].map { ($0.block, $0.timeline.stepTimes()) })
    return result.cases.enumerated().map { index, results in
      let measured = results[0]
      return CaseRecord(
        measurement(measured, index: index), base: index == 0 ? nil : bases[measured.block])
    }
  }

  private func measurement(_ measured: CaseResult, index: Int) -> CaseMeasurement {
    let configuration = session.configuration
    let (runCase, spec) = (configuration.cases[index], session.cases[index])
    let model = configuration.model
    let weightLayers =
      configuration.weightSharing == .shared ? 1 : configuration.layers.count
    return CaseMeasurement(
      name: measured.name, placement: runCase.placement,
      placementSpec: spec.placement.description, isFitted: spec.placement.needsLoad,
      replicaChoice: runCase.replicaChoice,
      wire: runCase.wire.rawValue, block: measured.block, timeline: measured.timeline,
      traffic: measured.traffic, digest: measured.digest,
      referenceError: measured.referenceError, referenceTokens: measured.referenceTokens,
      rowBytes: (model.hiddenSize * runCase.wire.byteCount, model.hiddenSize * 4),
      expertBytes: model.expertParameterCount * configuration.elementType.byteCount,
      weightLayerCount: weightLayers, clockErrorUs: clockError)
  }
}
