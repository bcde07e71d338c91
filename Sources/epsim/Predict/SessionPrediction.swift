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
  /// [cases] what was computed, or why nothing was.
  private let cases: [(name: String, outcome: Result<Computed, InputError>)]

  /// The steps of a case.
  private struct Computed {
    var steps: [ProjectedStep] = []
    /// Of all exchanges and layers.
    var messages: ClosedRange<Double>?
    var rows: ClosedRange<Double>?
  }

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
    let leaves = profile.network.leaves?.nodesPerLeaf
    let computation = TrafficComputation(
      setup: session.setup, files: session.files, tokensPerStep: configuration.tokenCount,
      steps: configuration.judgedSteps, topology: topology)
    cases = zip(session.cases, configuration.cases).map { spec, runCase in
      let outcome: Result<Computed, InputError> = ranks.flatMap { ranks in
        Self.outcome {
          let projected = try CaseProjection(configuration).projected(
            spec, placement: runCase.placement)
          var projector = StepProjector(
            projected, network: profile.network, ranks: ranks, topology: topology)
          var computed = Computed()
          try computation.count(spec, on: runCase.placement) { counters in
            let tokens = CaseProjection.tokensPerRank(
              configuration.rankOfPosition[configuration.warmupSteps + computed.steps.count],
              rankCount: topology.rankCount)
            let loads = runCase.placement.layers.indices.map {
              LayerLoads(
                LayerDemand(counters, layerRow: $0, tokensPerRank: tokens), of: projected,
                nodesPerLeaf: leaves)
            }
            for load in loads {
              computed.messages = union(computed.messages, load.messageBytes)
              // Stand-ins take the same time for every row.
              guard spec.compute == .real else { continue }
              computed.rows = union(computed.rows, load.rowsPerExpert)
            }
            computed.steps.append(projector.step(loads: loads))
          }
          return computed
        }
      }
      return (runCase.name, outcome)
    }
    if mustPredict { for entry in cases { _ = try entry.outcome.get() } }
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
  func record(measured: [CaseRecord], on topology: Topology) -> PredictionRecord {
    let computed = cases.compactMap { try? $0.outcome.get() }
    return PredictionRecord(
      profile: profile,
      cases: cases.compactMap { entry in
        guard case .success(let computed) = entry.outcome,
          let record = measured.first(where: { $0.name == entry.name })
        else { return nil }
        return ValidatedCase(record, predicted: computed.steps)
      },
      leftOut: cases.compactMap { entry in
        guard case .failure(let error) = entry.outcome else { return nil }
        return (entry.name, "\(error)")
      },
      outside: profile.outsideHull(
        of: topology, messages: computed.map(\.messages).reduce(nil, union),
        rows: computed.map(\.rows).reduce(nil, union)))
  }
}

/// The smallest range that holds both.
private func union(
  _ one: ClosedRange<Double>?, _ other: ClosedRange<Double>?
) -> ClosedRange<Double>? {
  guard let one, let other else { return one ?? other }
  return min(one.lowerBound, other.lowerBound)...max(one.upperBound, other.upperBound)
}
