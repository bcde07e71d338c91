// SPDX-License-Identifier: Apache-2.0
// epsim: predicts the cases of a session.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MoE
internal import Placement
internal import Projection
internal import Reporting
internal import Timing

/// What the measured steps of a session ask of its ranks, and what a profile says about them.
struct SessionPrediction {
  private let session: RunSession
  /// [cases] the projected case, and [steps][layers] what each step asks for.
  private let cases: [(projected: ProjectedCase, steps: [[LayerDemand]])]

  /// Counts what every case sends. Local.
  ///
  /// - Throws: ``InputError`` for what cannot be projected.
  init(_ session: RunSession) throws {
    self.session = session
    let configuration = session.configuration
    try Self.requireOneSize(session.stepTokens)
    let steps = configuration.judgedSteps
    let computation = TrafficComputation(
      setup: session.setup, files: session.files, tokensPerStep: configuration.tokenCount,
      steps: steps, topology: configuration.topology)
    let projection = CaseProjection(configuration)
    cases = try zip(session.cases, configuration.cases).map { spec, runCase in
      let projected = try projection.projected(spec, placement: runCase.placement)
      var demands: [[LayerDemand]] = []
      try computation.count(spec, on: runCase.placement) { counters in
        let tokens = CaseProjection.tokensPerRank(
          configuration.rankOfPosition[steps.lowerBound + demands.count],
          rankCount: configuration.topology.rankCount)
        demands.append(
          runCase.placement.layers.indices.map {
            LayerDemand(counters, layerRow: $0, tokensPerRank: tokens)
          })
      }
      return (projected, demands)
    }
  }

  /// Refuses what tells no counts before it is run, and steps of several sizes.
  static func requireCounts(_ setup: WorkloadSetup, stepTokens: [Int]) throws {
    try requireOneSize(stepTokens)
    guard setup.spec != nil else { throw TrafficComputation.liveRouter }
  }

  private static func requireOneSize(_ stepTokens: [Int]) throws {
    guard stepTokens.count == 1 else {
      throw InputError("--tokens of several sizes cannot be validated, accepted is one")
    }
  }

  /// Predictions beside what was measured, one of each case. Local.
  func rows(by profile: ClusterProfile, measured record: RunRecord) throws -> [ValidatedCase] {
    let topology = session.configuration.topology
    let ranks = try profile.ranks(on: topology, session.configuration.precision)
    return zip(cases, record.cases).map { entry, measured in
      var projector = StepProjector(
        entry.projected, network: profile.network, ranks: ranks, topology: topology)
      let steps = entry.steps.map { projector.step($0) }
      return ValidatedCase(measured, predicted: steps)
    }
  }
}
