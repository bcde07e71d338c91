// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim compare --rebalance`.

internal import ExpertParallel
internal import MPI
internal import MoE
internal import Reporting

extension CompareCommand {
  /// Runs the first placement under every policy, once for each further placement, whose strategy
  /// makes the later placements. Collective.
  func compareCourses(
    _ policies: String, _ cases: [CaseSpec], arguments: [String], on comm: borrowing Communicator
  ) throws {
    let policies = try RebalancePolicy.list(policies)
    if let option = run.optionOfKeptSteps ?? (run.check ? "--check" : nil) {
      throw InputError("\(option) is of steps under one placement, --rebalance does not take it")
    }
    let sizes = try StepSizes(run).count
    guard sizes == 1 else {
      throw InputError("--rebalance takes steps of one size, --tokens has \(sizes)")
    }
    let isOnePlacementEach = cases.allSatisfy { spec in
      var same = spec
      same.placement = cases[0].placement
      return same == cases[0]
    }
    guard isOnePlacementEach, cases.count >= 2 else {
      throw InputError(
        "--rebalance needs two placements or more, the first to start from, the others to move to, "
          + "and one value of every other option; here are \(cases.count) cases")
    }
    var options: RunOptions = self.run
    // Moving is of weights: those that all layers share would be moved once for all of them.
    options.weights = .perLayer
    let session = try RunSession(
      workload: workload, cases: cases, exchangeTable: execution.exchangeTable, run: options,
      arguments: arguments, on: comm)
    guard
      let courses = try session.courses(policies, lostShard: nil, relabelling: nil, on: comm)
    else { return }
    let record = CourseComparison(courses)
    try session.write(record, as: "courses.json")
    try print(run.json ? RecordCoding.text(record) : CourseComparisonReport(record).text)
  }
}
