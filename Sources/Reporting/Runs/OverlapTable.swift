// SPDX-License-Identifier: Apache-2.0
// epsim: how much of the exchanges of chunked cases ran beside their compute.

/// A table of the cases in chunks. Empty where there are none.
struct OverlapTable {
  private let cases: [CaseRecord]
  private let unit: Quantity.TimeUnit

  init(_ cases: [CaseRecord], unit: Quantity.TimeUnit) {
    self.cases = cases.filter { $0.overlap != nil }
    self.unit = unit
  }

  var text: String {
    guard !cases.isEmpty else { return "" }
    var table = TextTable([
      ("chunks, \(unit.name)", .left), ("step", .right), ("compute", .right),
      ("exchange\nexposed", .right), ("\nin flight", .right), ("rest", .right),
      ("hidden\nshare", .right),
    ])
    for entry in cases {
      guard let overlap = entry.overlap else { continue }
      table.add([
        TextTable.wrapped(entry.name), unit.text(entry.stepUs.median),
        unit.text(entry.expertTime.mean), unit.text(overlap.exposedUs),
        unit.text(overlap.inFlightUs), unit.text(entry.restUs),
        overlap.hiddenShare.map { Quantity.fixed(100 * $0, 0) + " %" } ?? "",
      ])
    }
    return table.text + "\n\n" + remark
  }

  private var remark: String {
    let isCompared = cases.contains { $0.overlap?.hiddenShare != nil }
    return Paragraph(
      isCompared
        ? "Hidden share: time saved against the same case in one chunk, of the smaller of its "
          + "exchanges and its compute; below 0 where chunks cost more than they hide."
        : "No hidden share without the same case in one chunk: --chunks 1,... runs it beside.",
      indent: 2
    ).text
  }
}
