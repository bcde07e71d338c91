// SPDX-License-Identifier: Apache-2.0
// epsim: the profile that a session chooses placements and predicts by.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MPI
internal import MoE
internal import Placement
internal import Projection

extension RunSession {
  /// The profile of the session, on rank 0. Collective.
  ///
  /// What cannot be priced or predicted is refused before anything is measured.
  static func profile(
    _ cluster: SessionCluster, for configuration: RunConfiguration, cases: [CaseSpec],
    setup: WorkloadSetup, stepTokens: [Int], machine: Machine, context: KernelContext,
    on comm: borrowing Communicator
  ) throws -> ClusterProfile? {
    let priced = cases.filter(\.placement.needsPrices)
    try comm.agree(classify: Launch.exitCode) {
      let projection = CaseProjection(configuration)
      for spec in priced { try projection.requirePriceable(spec) }
      if cluster.mustPredict {
        for spec in cases { try projection.requireProjectable(spec) }
        try SessionPrediction.requireCounts(setup, stepTokens: stepTokens)
      }
    }
    let profile = try cluster.profile(
      model: setup.model, first: cases[0],
      measuresExperts: cases.contains { $0.compute == .real },
      elementType: configuration.elementType, seed: configuration.seed, machine: machine,
      context: context, on: comm)
    // Before the run: what is found after it is found too late.
    try comm.agree(classify: Launch.exitCode) {
      if let profile, cluster.mustPredict || !priced.isEmpty {
        try profile.requireFit(configuration.topology, configuration.precision)
      }
    }
    return profile
  }
}

extension RunConfiguration {
  /// The steps that are measured.
  var judgedSteps: Range<Int> { warmupSteps..<warmupSteps + measuredSteps }

  var precision: Precision { elementType == .bf16 ? .bf16 : .f32 }
}

extension CaseProjection {
  /// Of cases on the ranks of a run: epsim's engine does one hop after the other.
  init(_ configuration: RunConfiguration) {
    self.init(
      model: configuration.model, elementType: configuration.elementType,
      topology: configuration.topology, hops: .summed)
  }
}
