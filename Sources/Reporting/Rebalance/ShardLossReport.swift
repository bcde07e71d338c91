// SPDX-License-Identifier: Apache-2.0
// epsim: what a lost shard costs under each placement.

internal import Timing

/// What `epsim compare --lose-shard` prints: the same loss under several placements.
public struct ShardLossReport {
  private let courses: [CourseRecord]

  /// - Parameter comparison: courses whose rank loses its experts, one policy each.
  public init(_ comparison: CourseComparison) { courses = comparison.courses }

  public var text: String {
    let warning =
      courses[0].functionalOnly
      ? ["FUNCTIONAL ONLY, NOT A TIMING: more ranks (times threads) than cores"] : []
    return (warning + [table, legend]).joined(separator: "\n\n")
  }

  /// The steps before the loss, until the rank has experts again, and from then on.
  private func parts(_ steps: [CourseRecord.Step]) -> [ArraySlice<CourseRecord.Step>] {
    let loss = steps.firstIndex { $0.move?.cause == "loss" } ?? steps.count
    let restored = steps.firstIndex { $0.move?.cause == "restore" } ?? steps.count
    return [steps[..<loss], steps[loss..<restored], steps[restored...]]
  }

  private var table: String {
    let steps = courses.flatMap { $0.policies[0].steps }
    let unit = Quantity.TimeUnit(fitting: steps.map(\.timeUs).max() ?? 0)
    let moving = Quantity.TimeUnit(fitting: steps.compactMap(\.move?.timeUs).max() ?? 0)
    var table = TextTable([
      ("placement", .left), ("experts\nlost", .right), ("made\nanew", .right),
      ("anew\n\(moving.name)", .right), ("steps\nwithout", .right),
      ("sent\nback", .right), ("bytes", .right), ("back\n\(moving.name)", .right),
      ("step \(unit.name)\nbefore", .right), ("\nwithout", .right), ("\nafter", .right),
      ("load\nwithout", .right),
    ])
    for course in courses {
      let parts = parts(course.policies[0].steps)
      let (loss, restored) = (parts[1].first?.move, parts[2].first?.move)
      let load = parts[1].reduce(0) { $0 + $1.maxOverMean } / Double(max(1, parts[1].count))
      table.add(
        [
          PlacementLabReport.broken(course.from, width: 12), "\(loss?.lostExperts ?? 0)",
          "\(loss?.recreatedExperts ?? 0)", moving.text(loss?.timeUs ?? 0), "\(parts[1].count)",
          restored.map { "\($0.movedExperts)" } ?? "-",
          restored.map { Quantity.bytes(Double($0.bytes)) } ?? "-",
          restored.map { moving.text($0.timeUs) } ?? "-",
        ]
          + parts.map { $0.isEmpty ? "-" : unit.text(Estimate($0.map(\.timeUs)).median) }
          + [Quantity.fixed(load, 3)])
    }
    return table.text
  }

  private var legend: String {
    let order =
      courses[0].interleaved
      ? "Each step ran under all placements, in shuffled order"
      : "Memory holds one at a time, so the placements ran one after the other"
    return Paragraph(
      "lost: experts of the rank, over all layers; made anew: those without a copy, by the other "
        + "ranks, before the next step. Sent back: what ranks get when the placement, fitted to the "
        + "steps without, is restored. Step: medians; load: max/mean while the rank is without. "
        + order + ". The output is the same to the last bit under all of them, before and after.",
      indent: 0
    ).text
  }
}
