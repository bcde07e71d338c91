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

/// What a profile says about the measured steps of a session.
struct SessionPrediction {
  private let profile: ClusterProfile
  /// [cases] the computed steps, or why there are none.
  private let steps: [(name: String, outcome: Result<[ProjectedStep], InputError>)]

  /// Counts what every case sends and computes its steps. Local.
  ///
  /// - Throws: ``InputError`` where `mustPredict` asks for what cannot be predicted.
  init(_ session: RunSession, by profile: ClusterProfile, mustPredict: Bool) throws {
    self.profile = profile
    let configuration = session.configuration
    let topology = configuration.topology
    let ranks: Result<[RankParameters], InputError> = Self.outcome {
      try Self.requireOneSize(session.stepTokens)
      try profile.requireFit(topology, configuration.precision)
      return try profile.ranks(on: topology, configuration.precision)
    }
    let computation = TrafficComputation(
      setup: session.setup, files: session.files, tokensPerStep: configuration.tokenCount,
      steps: configuration.judgedSteps, topology: topology)
    steps = zip(session.cases, configuration.cases).map { spec, runCase in
      let outcome: Result<[ProjectedStep], InputError> = ranks.flatMap { ranks in
        Self.outcome {
          let projected = try CaseProjection(configuration).projected(
            spec, placement: runCase.placement)
          var projector = StepProjector(
            projected, network: profile.network, ranks: ranks, topology: topology)
          var steps: [ProjectedStep] = []
          try computation.count(spec, on: runCase.placement) { counters in
            let tokens = CaseProjection.tokensPerRank(
              configuration.rankOfPosition[configuration.warmupSteps + steps.count],
              rankCount: topology.rankCount)
            steps.append(
              projector.step(
                runCase.placement.layers.indices.map {
                  LayerDemand(counters, layerRow: $0, tokensPerRank: tokens)
                }))
          }
          return steps
        }
      }
      return (runCase.name, outcome)
    }
    if mustPredict { for entry in steps { _ = try entry.outcome.get() } }
  }

  /// Keeps the sentence of bad input.
  private static func outcome<Value>(
    _ body: () throws -> Value
  ) -> Result<Value, InputError> {
    do {
      return .success(try body())
    } catch {
      return .failure(error as? InputError ?? InputError("\(error)"))
    }
  }

  /// Refuses what tells no counts before it is run, and steps of several sizes.
  static func requireCounts(_ setup: WorkloadSetup, stepTokens: [Int]) throws {
    try requireOneSize(stepTokens)
    guard setup.spec != nil else { throw TrafficComputation.liveRouter }
  }

  private static func requireOneSize(_ stepTokens: [Int]) throws {
    guard stepTokens.count == 1 else {
      throw InputError("--tokens of several sizes cannot be predicted, accepted is one")
    }
  }

  /// Predictions beside what was measured so far.
  func record(measured cases: [CaseRecord]) -> PredictionRecord {
    PredictionRecord(
      profile: profile,
      cases: steps.compactMap { entry in
        guard case .success(let steps) = entry.outcome,
          let measured = cases.first(where: { $0.name == entry.name })
        else { return nil }
        return ValidatedCase(measured, predicted: steps)
      },
      leftOut: steps.compactMap { entry in
        guard case .failure(let error) = entry.outcome else { return nil }
        return (entry.name, "\(error)")
      })
  }
}
