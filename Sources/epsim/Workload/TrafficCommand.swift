// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim traffic`.

internal import ArgumentParser
internal import CostModel
internal import Foundation
internal import MoE
internal import Placement
internal import Reporting
internal import Workloads

/// Exact load and traffic of a workload under placements, without running anything.
struct TrafficCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "traffic",
    abstract: "Count the load and traffic of a workload under placements, without running it.",
    discussion: """
      A trace is counted as one batch of all its judged tokens. The fields of --json are defined in
      docs/measurement.md.

      Examples:
        epsim traffic --workload examples/traces/deepseek-v2-lite-law.safetensors \\
          --ranks 16 --nodes 2 --placement contiguous,lpt,eplb+16
        epsim traffic --workload examples/traces/deepseek-v2-lite-law.safetensors \\
          --assignment round-robin --fit all --ranks 8 --nodes 2 --json
        epsim traffic --model deepseek-v3 --workload zipf:0.8 --tokens 4096 --ranks 64 --nodes 8
      """)

  @OptionGroup(title: "Model and workload") var workload: WorkloadOptions
  @OptionGroup(title: "Placement") var cases: CaseOptions
  @OptionGroup(title: "Routing and capacity") var routing: RoutingOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  @Option(
    parsing: .unconditional,
    help: "Tokens of the batch over all ranks. Default: all judged tokens of a trace, or 4096.")
  var tokens: Int?

  @Flag(help: "Print the counters as JSON on stdout, and nothing else there.")
  var json = false

  @Option(help: "YAML file with any of these options; the command line overrides it.")
  var config: String?

  mutating func run() throws {
    let topology = try machine.topology()
    let cases = try CaseSpec.all(self.cases, routing, nil).cases
    let placements = cases.map(\.placement)
    let files = try InputFiles(WorkloadSetup.requests(workload, placements: placements))
    let setup = try WorkloadSetup(workload, files: files, placements: placements)
    if let tokens, !(1...1_048_576).contains(tokens) {
      throw InputError("--tokens \(tokens), accepted are 1 to 1048576")
    }
    let computation = TrafficComputation(
      setup: setup, files: files,
      tokensPerStep: tokens ?? (setup.trace == nil ? 4096 : setup.judgedTokens.count), steps: 0..<1,
      topology: topology)
    if let remark = setup.modelRemark { Console.note(remark) }
    if json {
      print(try RecordCoding.text(try records(cases, setup: setup, computation: computation)))
      return
    }
    let rows = try cases.map { try computation.row($0, name: $0.name(among: cases)) }
    let choices = Set(cases.map { $0.topK ?? setup.model.topK }).sorted()
    func counted(_ count: Int, _ word: String) -> String {
      "\(count) \(word)\(count == 1 ? "" : "s")"
    }
    print(
      """
      \(setup.model.name), \(workload.workload): \(setup.judgedDescription), \
      \(counted(computation.tokensPerStep, "token")), \
      top-\(choices.map(String.init).joined(separator: ",")), \
      \(counted(setup.layers.count, "layer"))
      \(counted(topology.rankCount, "rank")) on \(counted(topology.nodeCount, "node")), \
      tokens dealt by \(workload.assignment.rawValue); computed, nothing was run
      """)
    if placements.contains(where: \.needsLoad) {
      print("Placements fitted to \(setup.fitDescription)")
    }
    print("")
    print(TrafficTable(rows).text)
  }

  private func records(
    _ cases: [CaseSpec], setup: WorkloadSetup, computation: TrafficComputation
  ) throws -> [TrafficRecord] {
    try cases.map { spec in
      let placement = try computation.placement(spec)
      var total = TrafficCounters(placement: placement, topology: computation.topology)
      try computation.count(spec, on: placement) { total += $0 }
      return TrafficRecord(
        dataset: setup.trace?.origin.domain ?? workload.workload,
        placement: spec.name(among: cases), source: workload.assignment.rawValue, counters: total,
        capacity: try computation.capacity(of: spec))
    }
  }
}
