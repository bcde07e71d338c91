// SPDX-License-Identifier: Apache-2.0
// epsim: tests of reading tables of published numbers.

import MoE
import Projection
import Testing

@Suite struct PublishedTableTests {
  private func table(_ text: String) throws -> PublishedTable {
    try PublishedTable(bytes: Array(text.utf8), name: "t.csv")
  }

  @Test func headingsQuotesAndLineEndsAreRead() throws {
    let table = try table(
      "\u{FEFF}name , us\r\n\"top8, limited to \"\"4\"\"\",1.5\r\n\r\nb,2e3\r\n")
    #expect(table.columns == ["name", "us"])
    #expect(table.rowCount == 2)
    #expect(try table.text(0, "name") == "top8, limited to \"4\"")
    #expect(try table.number(0, "us", accepted: 0...10) == 1.5)
    #expect(try table.count(1, "us", accepted: 0...5000) == 2000)
  }

  @Test(arguments: [
    ("", "t.csv: there are no rows in it, needed are a heading and one row at least"),
    ("a,b\n1\n", "t.csv: line 2 has 1 columns, the heading has 2"),
    ("a,b\n\n1,2,3\n", "t.csv: line 3 has 3 columns, the heading has 2"),
    ("a,a\n1,2\n", "t.csv: the heading has \"a\" twice"),
    ("a,b\n\"1,2\n", "t.csv: line 2 opens a quote and does not close it"),
  ])
  func brokenTablesAreRefused(text: String, sentence: String) {
    let error = #expect(throws: InputError.self) { try table(text) }
    #expect(error?.description == sentence)
  }

  @Test(arguments: ["nan", "inf", "-1", "0x10", "", "1,5", "1e999", "１", "1 2", "--1"])
  func otherThanAcceptedNumbersAreRefused(text: String) throws {
    let table = try table("a\n7\n\"\(text)\"\n".replacing("\"\"", with: "\" \""))
    // An empty field alone makes an empty line, which is none.
    guard table.rowCount == 2 else { return }
    let error = #expect(throws: InputError.self) {
      try table.number(1, "a", accepted: 0...100)
    }
    #expect(
      error?.description.hasSuffix("in line 3, column a, accepted are numbers from 0.0 to 100.0")
        == true)
  }

  @Test func fractionsAreNoCountsAndWrongColumnsAreNamed() throws {
    let table = try table("a\n1.5\n")
    #expect(throws: InputError.self) { try table.count(0, "a", accepted: 0...9) }
    let error = #expect(throws: InputError.self) { try table.text(0, "b") }
    #expect(
      error?.description == "t.csv: there is no column \"b\" in it, its columns are a")
  }

  @Test func hugeTablesAreRefused() {
    #expect(throws: InputError.self) {
      try PublishedTable(
        bytes: Array(repeating: 0x31, count: PublishedTable.maximumBytes + 1), name: "t.csv")
    }
    #expect(throws: InputError.self) {
      try table(String(repeating: "a,", count: 100_000) + "\n1\n")
    }
  }
}
