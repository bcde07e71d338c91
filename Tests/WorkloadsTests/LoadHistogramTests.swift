// SPDX-License-Identifier: Apache-2.0
// epsim: tests of load histograms from traces, generators and files.

import MoE
import Testing
import Workloads

@Suite struct LoadHistogramTests {
  @Test(arguments: [
    (Fixtures.lawTrace, "deepseek-v2-lite_law_load"),
    (Fixtures.intentTrace, "deepseek-v2-lite_intent_load"),
  ])
  func countsOfATraceAreThoseOfItsLoadFile(path: String, load: String) throws {
    let trace = try RoutingTrace(contentsOfFile: path)
    let counted = LoadHistogram(trace: trace, tokens: 0..<trace.tokenCount)
    let read = try LoadHistogram(
      bytes: Fixtures.load(load), name: load, layerLists: [Array(1..<27)], expertCount: 64)
    #expect(counted == read)

    // The two halves add up, and steps through the workload count the same tokens.
    let half = trace.tokenCount / 2
    let first = LoadHistogram(trace: trace, tokens: 0..<half)
    let second = LoadHistogram(trace: trace, tokens: half..<trace.tokenCount)
    #expect(zip(first.counts, second.counts).map { $0 + $1 } == counted.counts)
    let workload = TraceWorkload(trace: trace, tokens: 0..<half, windowSize: half)
    let stepped = LoadHistogram(
      source: workload, layers: [1, 9], steps: 0..<1, windowSize: half)
    #expect(try stepped == first.selecting(layers: [1, 9]))
  }

  @Test func rowsAreFoundByLayer() throws {
    let load = LoadHistogram(trace: try Fixtures.smallTrace(), tokens: 0..<3)
    #expect(load.layers == [1, 2])
    #expect(load.row(ofLayer: 2) == 1 && load.row(ofLayer: 0) == nil)
    #expect(Array(load.row(0)) == [3, 1, 1, 1])
    expectInputError("no layer 5", "1", "2") { _ = try load.selecting(layers: [5]) }
  }

  @Test func theFirstListOfLayersThatFitsIsTaken() throws {
    func layers(_ lists: [[Int]]) throws -> [Int] {
      try LoadHistogram(
        bytes: Array("1,2\n3,4\n".utf8), name: "f", layerLists: lists, expertCount: 2
      ).layers
    }
    #expect(try layers([[1, 2, 3], [4, 9]]) == [4, 9])
    expectInputError("2 rows", "3 or 1") { _ = try layers([[1, 2, 3], [4]]) }
  }

  @Test func tablesMayHaveSpacesAndWindowsLineEnds() throws {
    let table = try IntegerCSV(
      bytes: Array(" 1, 2\r\n3 ,4\r\n\r\n\n".utf8), name: "f", accepted: 0...9)
    #expect(table.rowCount == 2 && table.columnCount == 2 && table.values == [1, 2, 3, 4])
    #expect(IntegerCSV.text(rows: [[1, 2], [3, 4]]) == "1,2\n3,4\n")
  }

  @Test(arguments: [
    ("", "no numbers"), ("\n\n", "no numbers"), ("1,2\n3", "line 2 has 1"),
    ("1,x", "\"x\" in line 1, column 2"), ("1,", "line 1, column 2"), ("1,-2", "\"-2\""),
    ("1,1.5", "\"1.5\""), ("1,nan", "\"nan\""), ("1,11", "\"11\""),
    ("1,99999999999999999999", "\"99999999999999999999\""), ("\n1,2", "line 1, column 1"),
    ("1;2", "\"1;2\""), ("1,\u{0}", "column 2"), ("a\u{feff}", "column 1"),
  ])
  func tablesThatAreNotWholeNumbersAreRefused(text: String, words: String) {
    expectInputError(words) {
      _ = try IntegerCSV(bytes: Array(text.utf8), name: "f", accepted: 0...10)
    }
  }

  @Test func loadFilesOfOtherSizesAreRefused() {
    expectInputError("2 columns", "3 experts") {
      _ = try LoadHistogram(
        bytes: Array("1,2\n".utf8), name: "f", layerLists: [[0]], expertCount: 3)
    }
    expectInputError("1000000000001", "1000000000000") {
      _ = try LoadHistogram(
        bytes: Array("1000000000001,2\n".utf8), name: "f", layerLists: [[0]], expertCount: 2)
    }
  }
}
