// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim validate`.

internal import ArgumentParser
internal import CostModel
internal import ExpertParallel
internal import Foundation
internal import Kernels
internal import MPI
internal import MoE
internal import Placement
internal import Projection
internal import Reporting
internal import Workloads

/// Predicts cases, runs them, and says how far off the predictions are.
struct ValidateCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract: "Predict cases from a profile, run them for real, and compare the two.",
    discussion: """
      Without --cluster the ranks of the launch are measured first, on even loads;
      the cases are then predicted from that profile alone and run like those of
      compare. Placements such as auto are chosen by it too. Errors are given per
      step and per phase, for the order of the cases, and for what choosing the
      predicted best would have cost.

      --published runs nothing: it fits the models of links, kernels and experts to
      some rows of published tables (timings/) and predicts the others.

      Examples:
        scripts/launch -n 2 -- .build/release/epsim validate \\
          --config examples/placement.yaml
        scripts/launch -n 2 -- .build/release/epsim validate --cluster here.yaml \\
          --workload zipf:1.2 --placement contiguous,lpt,random:1,random:2
      Many ranks on few cores, experts stood in for:
        scripts/launch -n 8 -- .build/release/epsim validate --workload zipf:1.2 \\
          --compute emulated --expert-rate 20G --placement contiguous,lpt
      Timings of GPU clusters:
        epsim validate --published
      """)

  @OptionGroup(title: "Model and workload") var workload: WorkloadOptions
  @OptionGroup(title: "Placement") var cases: CaseOptions
  @OptionGroup(title: "Routing and capacity") var routing: RoutingOptions
  @OptionGroup(title: "Exchange, compute and timing") var execution: ExecutionOptions
  @OptionGroup(title: "Cluster") var cluster: ClusterOptions
  @OptionGroup(title: "Run") var run: RunOptions

  @Flag(help: "Measure few sizes only where the ranks are measured.")
  var quick = false

  @Flag(help: "Predict published tables instead of running anything.")
  var published = false

  func run(arguments: [String], on comm: borrowing Communicator) throws {
    if published { return try printPublished(arguments: arguments, on: comm) }
    if let name = cluster.cluster, quick {
      throw InputError(
        "--quick with --cluster \(name), which leaves nothing to measure; accepted is one of them"
      )
    }
    let (cases, remark) = try CaseSpec.all(cases, routing, execution)
    try cluster.checkSeconds(for: cases)
    let session = try RunSession(
      workload: workload, cases: cases, exchangeTable: execution.exchangeTable, run: run,
      arguments: arguments,
      cluster: SessionCluster(
        source: cluster.cluster.map { .named($0) } ?? .measured(isQuick: quick),
        secondLimit: cluster.maxSeconds ?? SessionCluster.usualSeconds, mustPredict: true),
      on: comm)
    if comm.rank == 0, let remark { Console.note(remark) }
    guard let record = try session.run(on: comm), let profile = session.profile else { return }
    if cluster.cluster == nil, run.output != "-" {
      let path = "\(run.output)/cluster.yaml"
      try OutputFile.write(Array(profile.yaml.utf8), toPath: path)
      Console.note("profile: \(path)")
    }
    guard let prediction = record.prediction else { preconditionFailure("no prediction") }
    let report = ValidationReport(
      prediction, isFunctionalOnly: record.environment.functionalOnly)
    print(run.json ? try report.json : report.text)
  }
}
