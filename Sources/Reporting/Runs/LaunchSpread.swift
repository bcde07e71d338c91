// SPDX-License-Identifier: Apache-2.0
// epsim: how much launches of the same run differ.

internal import Timing

/// The medians of each launch, case by case, and how far they lie apart.
///
/// A launch is a factor of its own (placement of processes, memory, connections), which the interval
/// of one launch does not contain.
struct LaunchSpread {
  private let record: RunRecord
  private let unit: Quantity.TimeUnit

  init(_ record: RunRecord, _ unit: Quantity.TimeUnit) {
    self.record = record
    self.unit = unit
  }

  /// A table; empty where there was one launch.
  var text: String {
    guard launchOfGroup.last ?? 0 > 0 else { return "" }
    var table = TextTable([
      ("medians of each launch, \(unit.name)", .left), ("launches", .right), ("smallest", .right),
      ("largest", .right), ("spread\nof median", .right),
    ])
    for entry in record.cases {
      let medians = medians(of: entry)
      guard let smallest = medians.min(), let largest = medians.max() else { continue }
      table.add([
        TextTable.wrapped(entry.name), "\(medians.count)", unit.text(smallest),
        unit.text(largest), Quantity.percent((largest - smallest) / entry.stepUs.median),
      ])
    }
    let rounds = record.groups.map { "\($0.kind.rawValue) \($0.rounds)" }.joined(separator: ", ")
    return table.text + "\nrounds of each: \(rounds)"
  }

  /// [groups] the launch that a group belongs to; a resumption continues the launch before it.
  private var launchOfGroup: [Int] {
    var launch = -1
    return record.groups.map { group in
      if group.kind != .resume { launch += 1 }
      return max(0, launch)
    }
  }

  /// The median of each launch of a case.
  private func medians(of entry: CaseRecord) -> [Double] {
    var samples: [Int: [Double]] = [:]
    var first = 0
    for group in entry.groups {
      let own = entry.stepUs.samples[first..<min(first + group.steps, entry.stepUs.samples.count)]
      samples[launchOfGroup[group.group], default: []] += own
      first += group.steps
    }
    return samples.values.map { Estimate($0).median }
  }
}
