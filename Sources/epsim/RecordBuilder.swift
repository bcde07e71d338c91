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
    let created = ISO8601DateFormatter().string(from: Date())
    let rounds = (0..<result.blockCount).reduce(0) { sum, block in
      sum + (result.cases[0].first { $0.block == block }?.timeline.stepCount ?? 0)
    }
    return RunRecord(
      created: created, command: session.arguments, environment: environment, model: model,
      workload: workload, complete: result.isComplete,
      groups: [
        RunRecord.SampleGroup(
          kind: .first, created: created, rounds: rounds, hosts: session.machine.hosts,
          clockErrorUs: clockError)
      ], cases: cases)
  }

  private var environment: RunRecord.Environment {
    let (machine, kernels) = (session.machine, session.context.environment)
    let computes = session.configuration.cases.contains { $0.compute == .real }
    return RunRecord.Environment(
      epsim: EPSim.version, mpi: MPIEnvironment.libraryVersion,
      backend: "\(kernels.backend.rawValue) \(kernels.backendVersion)",
      isa: session.instructionSets.joined(separator: " and "), ranks: machine.topology.rankCount,
      nodes: machine.topology.nodeCount, hosts: machine.hosts, cores: machine.cores,
      functionalOnly: computes && machine.isFunctionalOnly(threads: kernels.threads),
      threads: kernels.threads, clockErrorUs: clockError, clocks: clocks,
      causality: RunRecord.Causality(
        checks: result.clocks.causality.checks, violations: result.clocks.causality.violations))
  }

  private var clockError: Double { Double(result.clocks.error) / 1000 }

  /// One entry per clock domain; the ranks of one have the same anchors.
  private var clocks: [RunRecord.Clock] {
    let summary = result.clocks
    let domains = Dictionary(grouping: summary.domainOfRank.indices) { summary.domainOfRank[$0] }
    return domains.sorted { $0.key < $1.key }.map { _, ranks in
      let clock = summary.alignments[ranks[0]]
      return RunRecord.Clock(
        ranks: ranks, offsetNs: clock.anchors.first?.offset ?? 0, driftPpm: clock.driftPPM,
        errorUs: Double(clock.maximumError) / 1000, residualUs: Double(clock.residual) / 1000,
        verified: clock.isVerified, anchors: clock.anchors.count)
    }
  }

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
    return result.cases.enumerated().compactMap { index, results in
      // A run that ended early has not reached the cases of later blocks.
      guard let measured = results.first else { return nil }
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
      name: measured.name, placement: runCase.placement, options: spec.recorded(as: runCase),
      block: measured.block, timeline: measured.timeline, traffic: measured.traffic,
      digest: measured.digest, referenceError: measured.referenceError,
      referenceTokens: measured.referenceTokens,
      rowBytes: (model.hiddenSize * runCase.wire.byteCount, model.hiddenSize * 4),
      expertBytes: model.expertParameterCount * configuration.elementType.byteCount,
      weightLayerCount: weightLayers, groupSteps: [measured.timeline.stepCount],
      stampCost: session.stampCost)
  }
}

extension CaseSpec {
  /// The option words of the case as they stand in a record.
  fileprivate func recorded(as runCase: RunCase) -> CaseMeasurement.Options {
    CaseMeasurement.Options(
      placement: placement.description, isFitted: placement.needsLoad,
      replicaChoice: replicaChoice.rawValue, wire: runCase.wire.rawValue,
      compute: compute.rawValue, expertRate: compute == .emulated ? expertRate : nil,
      timing: timing.rawValue, delay: delayText, slow: slowText,
      jitterUs: disturbance.jitterMicroseconds)
  }
}
