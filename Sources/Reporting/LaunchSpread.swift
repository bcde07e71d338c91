// SPDX-License-Identifier: Apache-2.0
// epsim: how much launches of the same run differ.

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
    guard record.groups.count > 1 else { return "" }
    var table = TextTable([
      ("medians of each launch, \(unit.name)", .left), ("launches", .right), ("smallest", .right),
      ("largest", .right), ("spread\nof median", .right),
    ])
    for entry in record.cases {
      let medians = entry.groups.map(\.medianUs)
      guard let smallest = medians.min(), let largest = medians.max() else { continue }
      table.add([
        TextTable.wrapped(entry.name), "\(medians.count)", unit.text(smallest),
        unit.text(largest), Quantity.percent((largest - smallest) / entry.stepUs.median),
      ])
    }
    let rounds = record.groups.map { "\($0.kind.rawValue) \($0.rounds)" }.joined(separator: ", ")
    return table.text + "\nrounds of each: \(rounds)"
  }
}
