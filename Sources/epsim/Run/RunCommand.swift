// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim run`.

internal import ArgumentParser
internal import Foundation
internal import MPI
internal import MoE
internal import Reporting

/// One configuration: time per phase, rank and layer.
struct RunCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run one configuration and say where its time goes.",
    discussion: """
      Under mpirun every rank owns a shard of the experts; alone, one rank owns all.

      Examples:
        epsim run --model tiny
        epsim run --model tiny --workload zipf:1.2 --placement eplb+8 --check
        scripts/launch -n 2 -- .build/release/epsim run \\
          --model deepseek-v2-lite --layers 1,19 --tokens 2048 \\
          --workload examples/traces/deepseek-v2-lite-law.safetensors
      Experts placed by what a layer costs on these ranks:
        scripts/launch -n 2 -- .build/release/epsim calibrate --output here.yaml
        scripts/launch -n 2 -- .build/release/epsim run --workload zipf:1.2 \\
          --placement auto --cluster here.yaml
      Another router, a capacity, and the balance losses of every layer:
        epsim run --workload router:sigmoid --capacity 1.25 --losses
      Many ranks on few cores (experts sleep for their modelled time), and a
      picture of it:
        scripts/launch -n 8 -- .build/release/epsim run --model mixtral-8x7b \\
          --layers 4 --workload zipf:1 --compute emulated \\
          --expert-rate 500G --timeline run.json
      Two nodes on this machine, 1 Gbit/s between them (needs root):
        scripts/emulated-cluster with --nodes 2 --rate 1gbit -n 2 -- \\
          .build/release/epsim run
      """)

  @OptionGroup(title: "Model and workload") var workload: WorkloadOptions
  @OptionGroup(title: "Placement") var cases: CaseOptions
  @OptionGroup(title: "Routing and capacity") var routing: RoutingOptions
  @OptionGroup(title: "Exchange, compute and timing") var execution: ExecutionOptions
  @OptionGroup(title: "Cluster") var cluster: ClusterOptions
  @OptionGroup(title: "Run") var run: RunOptions

  func run(arguments: [String], on comm: borrowing Communicator) throws {
    let (cases, remark) = try CaseSpec.all(cases, routing, execution)
    guard cases.count == 1 else {
      throw InputError("run takes one case, the options make \(cases.count); use epsim compare")
    }
    try StepSizes(run).requireOne()
    let session = try RunSession(
      workload: workload, cases: cases, exchangeTable: execution.exchangeTable, run: run,
      arguments: arguments, cluster: SessionCluster(cluster, cases: cases), on: comm)
    if comm.rank == 0, let remark { Console.note(remark) }
    guard let record = try session.run(on: comm) else { return }
    if run.json {
      print(try RecordCoding.text(record))
    } else {
      print(RunReport(record).text)
    }
  }
}
