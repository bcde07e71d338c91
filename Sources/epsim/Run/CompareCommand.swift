// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim compare`.

internal import ArgumentParser
internal import CostModel
internal import ExpertParallel
internal import Foundation
internal import MPI
internal import MoE
internal import Placement
internal import Reporting

/// Many cases on the same tokens, interleaved.
struct CompareCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Run many cases on the same tokens, interleaved, and say which is fastest and why.",
    discussion: """
      Comma lists make a case of every combination; the first case is the base.
      Ways of an exchange that do not go together are left out, with a note.
      Every step runs all cases on the same tokens, so differences are paired: a
      difference inside its 95 % interval is called "no difference".

      Examples:
        scripts/launch -n 2 -- .build/release/epsim compare \\
          --config examples/placement.yaml
        scripts/launch -n 4 -- .build/release/epsim compare --workload zipf:1.1 \\
          --placement contiguous,lpt,eplb+8 --replica-choice expert-rr,nearest
      What capacity and drop policies drop, and what is left empty:
        epsim compare --workload router --capacity none,1,1.25 \\
          --drop-policy position,probability,reroute
      Placements that are chosen for each case by what its layers cost on a cluster:
        scripts/launch -n 4 -- .build/release/epsim compare --workload zipf:1.1 \\
          --placement eplb,search,auto --dedup none,node --cluster here.yaml
      What each way of an exchange costs, with the bytes that travel:
        scripts/launch -n 2 -- .build/release/epsim compare --dedup none,rank \\
          --transport alltoallv,p2p,shm+p2p
      Where one exchange overtakes another, from few rows to many per pair of ranks:
        scripts/launch -n 2 -- .build/release/epsim compare --compute none \\
          --transport alltoallv,p2p,shm+p2p --tokens 16,64,256,1024
      What a rank that is 5 ms late in every layer, or half as slow again, costs:
        scripts/launch -n 2 -- .build/release/epsim compare --case delay=none \\
          --case delay=1:5000 --case slow=1:1.5 --case jitter=500
      Five launches, and the spread between them; then what a killed one lacks:
        scripts/launch -n 2 --launches 5 -- .build/release/epsim compare \\
          --output five
        scripts/launch -n 2 -- .build/release/epsim compare --output five --resume
      Which strategy to move to, and when, on a load that wanders:
        scripts/launch -n 4 -- .build/release/epsim compare --workload \\
          rotating:0.5:every=32 --placement contiguous,lpt,eplb+8 --steps 128 \\
          --rebalance never,interval:16
      What a rank that loses its experts costs under each placement:
        scripts/launch -n 4 -- .build/release/epsim compare --workload zipf:1 \\
          --placement contiguous,eplb+32,hot-tier:8 --steps 48 --lose-shard 1@16
      """)

  @OptionGroup(title: "Model and workload") var workload: WorkloadOptions
  @OptionGroup(title: "Placement") var cases: CaseOptions
  @OptionGroup(title: "Routing and capacity") var routing: RoutingOptions
  @OptionGroup(title: "Exchange, compute and timing") var execution: ExecutionOptions
  @OptionGroup(title: "Cluster") var cluster: ClusterOptions
  @OptionGroup(title: "Run") var run: RunOptions

  @Option(
    help: """
      Rank counts for the table of load and traffic that is computed from the same workload; \
      'none' leaves it out, as several --tokens do. Not part of the record.
      """)
  var computedRanks = Self.usualComputedRanks
  static let usualComputedRanks = "8,16"

  @Option(
    help: """
      Run the first placement and let experts move while steps go on, once for each further \
      placement, whose strategy places them: \(RebalancePolicy.usage). Docs: docs/placement.md.
      """)
  var rebalance: String?

  @Option(
    help: ArgumentHelp(
      "Under every placement a rank loses its experts before a step; see 'epsim rebalance'.",
      valueName: "rank@step"))
  var loseShard: String?

  func run(arguments: [String], on comm: borrowing Communicator) throws {
    let ranks = try Self.rankCounts(computedRanks)
    let (cases, remark) = try CaseSpec.all(cases, routing, execution)
    if rebalance != nil || loseShard != nil {
      try compareCourses(cases, remark: remark, arguments: arguments, on: comm)
      return
    }
    let session = try RunSession(
      workload: workload, cases: cases, exchangeTable: execution.exchangeTable, run: run,
      arguments: arguments, cluster: SessionCluster(cluster, cases: cases), on: comm)
    if comm.rank == 0, let remark { Console.note(remark) }
    guard let record = try session.run(on: comm) else { return }
    if run.json {
      print(try RecordCoding.text(record))
      return
    }
    print(CompareReport(record).text)
    guard session.setup.spec != nil, session.stepTokens.count == 1, !ranks.isEmpty else { return }
    let rows = try ranks.flatMap { try session.computedTraffic(ranks: $0) }
    guard !rows.isEmpty else { return }
    print(
      "\nThe same placements on other rank counts, computed from the workload (nothing was run):\n")
    print(TrafficTable(rows).text)
  }

  private static func rankCounts(_ text: String) throws -> [Int] {
    if text == "none" { return [] }
    return try text.split(separator: ",", omittingEmptySubsequences: false).map {
      guard let count = Int($0), (1...1024).contains(count) else {
        throw InputError("--computed-ranks \(text): \"\($0)\", accepted are 1 to 1024, or none")
      }
      return count
    }
  }
}

extension RunSession {
  /// Load and traffic of every case on another number of ranks, at most eight a node, on the tokens
  /// that were measured. Placement files and placements that were chosen by a profile of the ranks
  /// are for one number of ranks and are left out, as is a placement that refuses this number.
  func computedTraffic(ranks: Int) throws -> [TrafficTable.Row] {
    let computation = TrafficComputation(
      setup: setup, files: files, tokensPerStep: configuration.tokenCount,
      steps: configuration.warmupSteps..<configuration.warmupSteps + configuration.measuredSteps,
      topology: Topology(ranks: ranks, nodes: (ranks + 7) / 8))
    return try cases.compactMap { spec in
      if spec.placement.filePath != nil || spec.placement.needsPrices { return nil }
      do {
        return try computation.row(spec, name: spec.name(among: cases))
      } catch let error as InputError {
        Console.note("left out on \(ranks) ranks: \(error)")
        return nil
      }
    }
  }
}
