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

/// Puts together what a run writes down: the samples of all launches, on the machine of this one.
struct RecordBuilder {
  let session: RunSession
  /// What this launch knows about clocks and its end.
  let result: RunResult
  let samples: RunSamples

  var record: RunRecord {
    let cases = cases
    var record = RunRecord(
      created: samples.groups.last!.created, command: session.arguments,
      environment: environment, model: session.recordedModel,
      workload: session.recordedWorkload, complete: result.isComplete, groups: samples.groups,
      cases: cases)
    record.prediction = session.prediction?.record(
      measured: cases, on: session.configuration.topology)
    if !session.placementChoices.isEmpty { record.placementChoices = session.placementChoices }
    return record
  }

  private var environment: RunRecord.Environment {
    let (machine, kernels) = (session.machine, session.context.environment)
    return RunRecord.Environment(
      epsim: EPSim.version, mpi: MPIEnvironment.libraryVersion,
      backend: session.backend, isa: session.isa, ranks: machine.topology.rankCount,
      nodes: machine.topology.nodeCount, hosts: machine.hosts, cores: machine.cores,
      functionalOnly: session.isFunctionalOnly,
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

  private var cases: [CaseRecord] {
    let records = measuredCases
    return records.map { $0.withHiddenShare(among: records) }
  }

  private var measuredCases: [CaseRecord] {
    session.configuration.cases.indices.compactMap { index in
      // A run that ended early has not reached the cases of later blocks.
      guard let measured = samples.first(ofCase: index) else { return nil }
      // Within a block all cases have the same steps.
      let base = samples.samples(ofCase: 0, block: measured.block)
      let measurement = measurement(measured)
      var record = CaseRecord(
        measurement, base: index == 0 ? nil : base?.timeline.stepTimes())
      record.sizes = CaseRecord.sizes(
        measurement, stepTokens: session.stepTokens, base: index == 0 ? nil : base?.timeline)
      return record
    }
  }

  private func measurement(_ measured: CaseSamples) -> CaseMeasurement {
    let configuration = session.configuration
    let (runCase, spec) = (
      configuration.cases[measured.caseIndex], session.cases[measured.caseIndex]
    )
    let model = configuration.model
    let weightLayers =
      configuration.weightSharing == .shared ? 1 : configuration.layers.count
    return CaseMeasurement(
      name: runCase.name, placement: runCase.placement,
      options: spec.recorded(
        as: runCase, topK: configuration.routings[runCase.routing].topK),
      block: measured.block, timeline: measured.timeline,
      traffic: measured.counters(of: runCase, topology: configuration.topology),
      volumes: measured.volumes, choices: choices(ofCase: measured.caseIndex),
      digest: measured.digest, referenceError: measured.referenceError,
      referenceTokens: measured.referenceTokens,
      balance: balance(ofCase: measured.caseIndex),
      capacity: session.capacityOffers[measured.caseIndex],
      rowBytes: (
        runCase.exchange.wire.rowBytes(length: model.hiddenSize),
        WireFormat(runCase.exchange.combineWire).rowBytes(length: model.hiddenSize)
      ),
      expertBytes: model.expertParameterCount * configuration.elementType.byteCount,
      weightLayerCount: weightLayers, groupSteps: measured.groupSteps,
      stampCost: session.stampCost)
  }
}

extension RecordBuilder {
  /// [layers] losses and signals of a case; nil where they were not asked for.
  private func balance(ofCase index: Int) -> [BalanceRecord]? {
    let configuration = session.configuration
    guard let request = configuration.balance,
      let layers = result.cases[index].compactMap(\.balance).first
    else { return nil }
    let topK = configuration.routings[configuration.cases[index].routing].topK
    let openDevices = configuration.model.openDevices(
      of: configuration.topology.rankCount, topK: topK)
    return zip(configuration.layers, layers).map { number, layer in
      BalanceRecord(
        layer: number, byRank: layer.byRank, sequenceLoss: layer.sequenceLoss,
        sequenceLength: request.sequenceLength, hasProbabilities: layer.hasProbabilities,
        openDevices: openDevices)
    }
  }
}

extension RecordBuilder {
  /// What a case chose in this launch; nil where there is no choice.
  private func choices(ofCase index: Int) -> [String: ExchangeChoices]? {
    guard let schemes = session.configuration.cases[index].selection?.schemes,
      let measured = result.cases[index].first
    else { return nil }
    var layerSteps: [String: [ExchangeChoices.LayerStep]] = [:]
    for (step, layers) in measured.choices.enumerated() {
      for (layer, choice) in layers.enumerated() {
        let scheme = schemes[choice.candidate]
        let words = "\(scheme.dedup.rawValue) \(scheme.transport.rawValue) \(scheme.chunks)"
        let time = measured.timeline.engineTime(step: step, layer: layer).us
        layerSteps[words, default: []].append((choice, time))
      }
    }
    return layerSteps.mapValues { ExchangeChoices($0) }
  }
}

extension ModelShape {
  /// The most devices of contiguous placement that a token's K experts lie on.
  fileprivate func openDevices(of devices: Int, topK: Int) -> Int {
    let most = min(devices, topK, expertCount)
    guard let groups = router.groups else { return most }
    // A group of experts lies on one device, or on its share of them.
    let devicesPerGroup = (devices + groups.groupCount - 1) / groups.groupCount
    return min(most, groups.openCount * devicesPerGroup)
  }
}

extension CaseSamples {
  /// The counters of each step, as the case's placement lays them out.
  func counters(of runCase: RunCase, topology: Topology) -> [TrafficCounters] {
    let empty = TrafficCounters(placement: runCase.placement, topology: topology)
    return traffic.map { values in
      var counters = empty
      counters.replaceValues(values)
      return counters
    }
  }
}

extension CaseMeasurement.Exchange {
  fileprivate init(_ scheme: ExchangeScheme, _ automatic: AutomaticKnobs) {
    self.init(
      dedup: automatic.dedup ? AutomaticKnobs.word : scheme.dedup.rawValue,
      transport: automatic.transport ? AutomaticKnobs.word : scheme.transport.rawValue,
      wire: scheme.wire.rawValue, combine: scheme.combine.rawValue,
      combineWire: scheme.combineWire.rawValue, chunks: automatic.chunks ? nil : scheme.chunks,
      polls: scheme.polls)
  }
}

extension CaseSpec {
  /// The option words of the case as they stand in a record.
  fileprivate func recorded(as runCase: RunCase, topK: Int) -> CaseMeasurement.Options {
    CaseMeasurement.Options(
      placement: placement.description, isFitted: placement.needsLoad,
      replicaChoice: replicaChoice.rawValue,
      routing: CaseMeasurement.Routing(
        topK: topK, capacity: capacity, dropPolicy: dropPolicy.rawValue,
        capacityScope: capacityScope.rawValue, biasUpdate: biasUpdate),
      exchange: CaseMeasurement.Exchange(runCase.exchange, automatic),
      compute: compute.rawValue, expertRate: compute == .emulated ? expertRate : nil,
      timing: timing.rawValue, delay: delayText, slow: slowText,
      jitterUs: disturbance.jitterMicroseconds)
  }
}
