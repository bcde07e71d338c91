// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim rebalance`.

internal import ArgumentParser
internal import ExpertParallel
internal import Foundation
internal import MPI
internal import MoE
internal import Placement
internal import Reporting

/// The move from one placement to another, and the same steps under both.
struct RebalanceCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "rebalance",
    abstract: "Move experts between ranks and say whether it pays.",
    discussion: """
      Warms up under --from, moves the experts' weights over MPI to where --to
      wants them, and runs steps of both, interleaved, with the weights that were
      moved. Every layer has weights of its own. Says what moved, how long it took,
      what a step saves, and after how many steps it pays.

      Examples:
        scripts/launch -n 2 -- .build/release/epsim rebalance --from contiguous \\
          --to eplb+8 --workload zipf:1.1
        scripts/launch -n 4 -- .build/release/epsim rebalance --from old.json \\
          --to new.json --model deepseek-v2-lite --layers 2 \\
          --workload examples/traces/deepseek-v2-lite-law.safetensors
      Policies on a load that wanders, and a rank that loses its experts:
        scripts/launch -n 4 -- .build/release/epsim rebalance --to eplb+8 \\
          --workload rotating:0.5:every=32 --steps 256 \\
          --policy never,interval:16,threshold:1.3
        scripts/launch -n 4 -- .build/release/epsim rebalance --to eplb+8 \\
          --workload zipf:1 --steps 48 --lose-shard 1@16
      """)

  @Option(help: "Placement before the move, as for 'epsim run'.")
  var from = "contiguous"

  @Option(help: "Placement after the move.")
  var to: String

  @Option(
    help: """
      Decide while steps go on, instead of one move, whether experts move to where --to, fitted to \
      the last steps, wants them: \(RebalancePolicy.usage). A list runs the same steps under each.
      """)
  var policy: String?

  @Option(
    help: ArgumentHelp(
      """
      A rank loses its experts before a step: replicas take over, the others are made anew on other \
      ranks, and after a window of steps --to is placed on all ranks again.
      """, valueName: "rank@step"))
  var loseShard: String?

  @Option(help: "Which copy of a replicated expert serves a token, before and after.")
  var replicaChoice = "expert-rr"

  @Option(
    help: """
      Which ranks may take each other's experts in the new placement, so that fewer move: none, \
      those of a node, all. Default: node; none of a file and of strategies that look at who sends.
      """)
  var relabel: String?

  @OptionGroup(title: "Model and workload") var workload: WorkloadOptions
  @OptionGroup(title: "Routing and capacity") var routing: RoutingOptions
  @OptionGroup(title: "Exchange, compute and timing") var execution: ExecutionOptions
  @OptionGroup(title: "Run") var run: RunOptions

  func run(arguments: [String], on comm: borrowing Communicator) throws {
    for (option, placement) in [("from", from), ("to", to)] where placement.contains(",") {
      throw InputError("--\(option) \(placement), accepted is one placement")
    }
    guard from != to else {
      throw InputError("--from and --to are both \(from), there is nothing to move")
    }
    if let option = run.optionOfKeptSteps {
      throw InputError("\(option) is an option of run and compare, rebalance does not take it")
    }
    try run.requireOwnWeights()
    let policies = try policy.map { try RebalancePolicy.list($0) }
    let relabelling = try relabel.map { try CaseSpec.value(Relabelling.self, $0, "relabel") }
    let lostShard = try loseShard.map { try LostShard(parsing: $0) }
    if policy != nil || loseShard != nil, run.check {
      throw InputError("--check is of steps under one placement, it does not go with --policy")
    }
    try StepSizes(run).requireOne()
    let (cases, remark) = try CaseSpec.all(
      CaseOptions.parse(["--placement=\(from),\(to)", "--replica-choice=\(replicaChoice)"]),
      routing,
      execution)
    guard cases.count == 2 else {
      throw InputError(
        "rebalance takes one value of every option, the lists make \(cases.count / 2) cases for "
          + "each placement")
    }
    var options: RunOptions = self.run
    options.weights = .perLayer
    let session = try RunSession(
      workload: workload, cases: cases, exchangeTable: execution.exchangeTable, run: options,
      arguments: arguments, on: comm)
    if comm.rank == 0, let remark { Console.note(remark) }
    if policy != nil || loseShard != nil {
      guard
        let record = try session.courses(
          policies ?? [RebalancePolicy(parsing: "never")], lostShard: lostShard,
          relabelling: relabelling, on: comm)?[0]
      else { return }
      try session.write(record, as: RunSession.courseFileName)
      try print(run.json ? RecordCoding.text(record) : CourseReport(record).text)
      return
    }
    guard let record = try session.rebalance(relabelling, on: comm) else { return }
    try print(run.json ? RecordCoding.text(record) : RebalanceReport(record).text)
  }
}

extension RunOptions {
  /// A given option that needs the samples of single cases, which steps between moves do not keep.
  var optionOfKeptSteps: String? {
    [
      ("--resume", resume), ("--add-launch", addLaunch), ("--losses", losses),
      ("--timeline", timeline != nil),
    ].first { $0.1 }?.0
  }

  /// Refuses weights that all layers share: they would move once for all of them.
  func requireOwnWeights() throws {
    guard weights != .shared else {
      throw InputError(
        "--weights shared, accepted is per-layer where experts move: those that all layers share "
          + "would move once for all of them")
    }
  }
}

extension RebalancePolicy {
  /// The policies of a comma list.
  static func list(_ text: String) throws -> [RebalancePolicy] {
    let words = text.split(separator: ",", omittingEmptySubsequences: false).map {
      String($0.drop { $0 == " " })
    }
    guard !words.contains("") else {
      throw InputError("--policy \"\(InputError.excerpt(text))\" has an empty entry")
    }
    return try words.reduce(into: []) { list, word in
      let policy = try RebalancePolicy(parsing: word)
      guard !list.contains(policy) else {
        throw InputError("policy \(policy) is given twice, policies must differ")
      }
      list.append(policy)
    }
  }
}
