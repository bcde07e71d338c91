// SPDX-License-Identifier: Apache-2.0
// epsim: courses of several placements, side by side.

/// What `epsim compare` measured with `--rebalance` or `--lose-shard`, schema `epsim-courses/1`.
public struct CourseComparison: Encodable, Sendable {
  public let schema = "epsim-courses/1"
  /// In the order of the placements, on the same tokens: all from the first one with `--rebalance`,
  /// each from its own with `--lose-shard`.
  public let courses: [CourseRecord]

  /// - Precondition: there is a course.
  public init(_ courses: [CourseRecord]) {
    precondition(!courses.isEmpty, "no course")
    self.courses = courses
  }
}

/// Strategies and policies side by side, then the course of each.
public struct CourseComparisonReport {
  private let record: CourseComparison

  public init(_ record: CourseComparison) { self.record = record }

  public var text: String {
    guard record.courses.count > 1 else { return CourseReport(record.courses[0]).text }
    return
      ([CourseReport(record.courses[0]).setting, sideBySide]
      + record.courses.map { CourseReport($0).body })
      .joined(separator: "\n\n")
  }

  private var sideBySide: String {
    let policies = record.courses.flatMap(\.policies)
    let unit = Quantity.TimeUnit(fitting: policies.map(\.medianStepUs).max() ?? 0)
    let total = Quantity.TimeUnit(fitting: policies.map(\.totalUs).max() ?? 0)
    var table = TextTable([
      ("moves to", .left), ("policy", .left), ("step \(unit.name)\nmedian", .right),
      ("load\nmax/mean", .right), ("moves", .right), ("experts\nmoved", .right),
      ("bytes\nmoved", .right), ("steps, moves\n\(total.name)", .right),
      ("of its\nfirst", .right),
    ])
    for course in record.courses {
      for (index, policy) in course.policies.enumerated() {
        table.add([
          index == 0 ? PlacementLabReport.broken(course.to, width: 12) : "",
          CourseReport.words(policy.policy),
          unit.text(policy.medianStepUs), Quantity.fixed(policy.maxOverMean, 3),
          "\(policy.moves)", "\(policy.movedExperts)", Quantity.bytes(Double(policy.bytes)),
          total.text(policy.totalUs),
          Quantity.fixed(policy.totalUs / course.policies[0].totalUs, 3),
        ])
      }
    }
    return table.text
  }
}
