// SPDX-License-Identifier: Apache-2.0
// epsim: load and traffic of a workload under a placement, computed without running it.

internal import CostModel
internal import MoE
internal import Placement
internal import Workloads

/// Counts what a workload sends on given ranks.
struct TrafficComputation {
  let setup: WorkloadSetup
  let files: InputFiles
  /// T, tokens of a step over all ranks.
  let tokensPerStep: Int
  let steps: Range<Int>
  let topology: Topology

  /// The counters of a case, one per step, and the placement that they belong to.
  /// - Throws: ``InputError`` for the live router, which tells nothing without running.
  func counters(_ spec: CaseSpec) throws -> (placement: ExpertPlacement, counters: [TrafficCounters])
  {
    guard let source = setup.source(tokensPerStep: tokensPerStep) else {
      throw InputError(
        "load and traffic of a live router cannot be computed without running it; use --workload "
          + "with a trace, uniform or zipf")
    }
    let load =
      spec.placement.needsLoad
      ? try setup.fittedLoad(steps: steps.count, tokensPerStep: tokensPerStep, files: files) : nil
    let placement = try setup.place(spec.placement, topology: topology, load: load, files: files)
    let traffic = WorkloadTraffic(
      source: source, placement: placement, topology: topology, choice: spec.replicaChoice)
    let counters = try steps.map { step in
      traffic.counters(
        step: step,
        rankOfPosition: try setup.options.assignment.ranks(
          tokenCount: tokensPerStep, rankCount: topology.rankCount,
          sequenceOf: (source as? TraceWorkload).map { trace in
            { trace.sequence(step: step, position: $0) }
          }))
    }
    return (placement, counters)
  }
}
