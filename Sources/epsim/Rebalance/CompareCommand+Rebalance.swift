// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim compare --rebalance`.

internal import ExpertParallel
internal import MPI
internal import MoE
internal import Reporting

extension CompareCommand {
  /// Runs steps between which experts move: under online policies, or with a lost shard. Collective.
  func compareCourses(
    _ cases: [CaseSpec], remark: String?, arguments: [String], on comm: borrowing Communicator
  ) throws {
    let policies = try rebalance.map { try RebalancePolicy.list($0) }
    let lostShard = try loseShard.map { try LostShard(parsing: $0) }
    guard policies == nil || lostShard == nil else {
      throw InputError(
        "--rebalance starts from one placement and --lose-shard from each, one of them is accepted")
    }
    let option = policies == nil ? "--lose-shard" : "--rebalance"
    try requireCourses(of: cases, for: option)
    try run.requireOwnWeights()
    var options: RunOptions = self.run
    options.weights = .perLayer
    let session = try RunSession(
      workload: workload, cases: cases, exchangeTable: execution.exchangeTable, run: options,
      arguments: arguments, on: comm)
    if comm.rank == 0, let remark { Console.note(remark) }
    let courses =
      if let lostShard {
        try session.losses(lostShard, on: comm)
      } else {
        try session.courses(policies ?? [], lostShard: nil, relabelling: nil, on: comm)
      }
    guard let courses else { return }
    let record = CourseComparison(courses)
    try session.write(record, as: RunSession.coursesFileName)
    if run.json {
      print(try RecordCoding.text(record))
    } else {
      print(
        lostShard == nil ? CourseComparisonReport(record).text : ShardLossReport(record).text)
    }
  }

  /// Refuses what needs the samples of single cases, and cases that differ in more than placement.
  private func requireCourses(of cases: [CaseSpec], for option: String) throws {
    if let other = run.optionOfKeptSteps ?? (run.check ? "--check" : nil) {
      throw InputError("\(other) is of steps under one placement, \(option) does not take it")
    }
    let others: [(option: String, isGiven: Bool)] = [
      ("--cluster", cluster.cluster != nil), ("--max-seconds", cluster.maxSeconds != nil),
      ("--computed-ranks", computedRanks != Self.usualComputedRanks),
    ]
    if let other = others.first(where: \.isGiven) {
      throw InputError("\(other.option) is of placements that stay, \(option) does not take it")
    }
    let sizes = try StepSizes(run).count
    guard sizes == 1 else {
      throw InputError("\(option) takes steps of one size, --tokens has \(sizes)")
    }
    let isOnePlacementEach = cases.allSatisfy { spec in
      var same = spec
      same.placement = cases[0].placement
      return same == cases[0]
    }
    guard isOnePlacementEach else {
      throw InputError(
        "\(option) takes one value of every option but --placement, here are \(cases.count) cases")
    }
    guard option == "--lose-shard" || cases.count >= 2 else {
      throw InputError(
        "--rebalance needs two placements or more, the first to start from, the others to move to; "
          + "here is \(cases[0].placement)")
    }
  }
}
