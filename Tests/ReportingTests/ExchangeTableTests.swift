// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what a comparison says of ways to exchange rows.

import Reporting
import Testing

@Suite("Exchange table")
struct ExchangeTableTests {
  private let fixture = CaseRecordFixture()

  /// A case and one that sends fewer rows and is faster.
  private func cases() throws -> (first: CaseRecord, other: CaseRecord) {
    var first = try fixture.record(steps: 8)
    first.name = "no dedup"
    first.stepUs.samples = Array(repeating: 120, count: 8)
    first.stepUs.median = 120
    var other = try fixture.record(steps: 8, base: first.stepUs.samples)
    other.name = "dedup rank"
    other.dedup = "rank"
    other.copies.travelled.dispatch = 1
    other.wireBytes.offRank.dispatch = 104
    return (first, other)
  }

  private func text(_ cases: [CaseRecord]) -> String {
    CompareReport(fixture.runRecord(cases)).text
  }

  /// The cells of the row of a case in the table with a heading.
  private func row(_ name: String, of table: String, in text: String) -> [Substring]? {
    let block = text.split(separator: "\n\n", omittingEmptySubsequences: true).map {
      $0.split(separator: "\n")
    }.first { $0.contains { $0.hasPrefix(table + "  ") } }
    let line = block?.first { $0.hasPrefix(name + "  ") }
    return line?.dropFirst(name.count).split(separator: " ")
  }

  @Test("rows, bytes, messages, times and bandwidths stand beside each other")
  func figures() throws {
    let (first, other) = try cases()
    let text = text([first, other])
    #expect(
      row("no dedup", of: "exchange", in: text)
        == ["3", "0", "900", "B", "400", "B", "412", "B", "0", "B", "2"])
    #expect(
      row("dedup rank", of: "exchange", in: text)
        == ["2", "0", "900", "B", "400", "B", "312", "B", "0", "B", "2"])
    // pack 2 + dispatch 6 + group 1; ungroup 1 + combine 30 + reduce 5.
    #expect(
      row("no dedup", of: "exchange, us", in: text)
        == ["9.00", "36.0", "45.0", "0.0250", "0.0111", "0"])
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test("sentences name the bytes where cases differ in the exchange only")
  func sentences() throws {
    var (first, other) = try cases()
    let same = text([first, other])
    #expect(same.contains("Fastest: dedup rank, 90.0 us a step with 312 B off-rank."))
    #expect(same.contains(", with bytes off-rank 412 B to 312 B."))
    other.placement = "lpt"
    let moved = text([first, other])
    #expect(moved.contains("Fastest: dedup rank, 90.0 us a step."))
    #expect(!moved.contains("with bytes"))
    // Cases that exchange alike have no such table.
    first.dedup = "rank"
    #expect(!text([first, other]).contains("on the wire"))
  }

  @Test("errors stand beside the bytes, and sums in another order are named")
  func tolerance() throws {
    var (first, other) = try cases()
    #expect(!text([first, other]).contains("another order"))
    other.combineWire = "bf16"
    #expect(
      text([first, other]).contains(
        "\n\nEach wire rounds rows in its own way. --check prints the error of each case.\n"))
    (first.referenceError, first.referenceTokens) = (1e-6, 3)
    (other.referenceError, other.referenceTokens) = (3e-6, 3)
    other.combine = "pre-reduced"
    let text = text([first, other])
    #expect(row("no dedup", of: "exchange, us", in: text)?.last == "1.0e-06")
    #expect(row("dedup rank", of: "exchange, us", in: text)?.last == "3.0e-06")
    #expect(text.contains("the last bits of the output may differ: dedup rank. Each"))
    #expect(!text.contains("--check"))
  }
}
