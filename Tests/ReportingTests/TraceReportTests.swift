// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the pictures of traces.

import MoE
import Reporting
import Testing
import Workloads

@Suite struct TraceReportTests {
  /// 40 tokens, layers 5 and 6, top-1 of `experts`: layer 5 in turn, layer 6 always expert 0.
  private func record(experts: Int, origin: String = "") throws -> TraceRecord {
    let trace = try RoutingTrace(
      name: "t", origin: .init(model: origin, domain: "", source: "", license: ""),
      expertCount: experts, topK: 1, layerCount: 2, firstLayer: 5,
      expertIndices: (0..<40).flatMap { [Int32($0 % experts), 0] })
    let statistics = try TraceStatistics(trace, windowCount: 2)
    return TraceRecord(statistics, pairs: try TraceStatistics.coActivation(of: trace, layer: 0))
  }

  private func lines(_ record: TraceRecord, ascii: Bool = true) -> [String] {
    TraceReport(record, drawing: TraceDrawing(ascii: ascii)).text.split(separator: "\n")
      .map(String.init)
  }

  @Test func theHeatMapShadesLoadByItsMean() throws {
    let text = lines(try record(experts: 4))
    // Every expert of layer 5 has the mean; of layer 6 one has four times the mean, others nothing.
    #expect(text.contains("    5 |::::|"))
    #expect(text.contains("    6 |#   |"))
    #expect(lines(try record(experts: 4), ascii: false).contains("    6 |█   |"))
  }

  @Test func manyExpertsShareCells() throws {
    // 200 experts in cells of three: 67 cells, the last of two experts.
    let text = lines(try record(experts: 200))
    #expect(text.contains { $0.contains("a column per 3 experts (0 to 199)") })
    let row = try #require(text.first { $0.hasPrefix("    6 |") })
    #expect(row == "    6 |#" + String(repeating: " ", count: 66) + "|")
    #expect(text.allSatisfy { $0.count <= 100 })
  }

  @Test func oneExpertPerTokenHasNoPairsAndFanOutOne() throws {
    let record = try record(experts: 4)
    #expect(record.coActivation == nil)
    #expect(record.fanOut.map(\.ranks) == [2, 4])
    #expect(record.fanOut.allSatisfy { $0.mean == 1 && $0.uniform == 1 })
    #expect(record.layers[1].maxOverMean == 4 && record.layers[1].unusedExperts == 3)
    #expect(record.drift[0].toFirst == nil && record.drift[1].toFirst == 0)
  }

  @Test func aFileCannotSteerTheTerminal() throws {
    let text = lines(try record(experts: 4, origin: "a\u{1B}[31m\u{9B}b\nc\u{7}"))
    #expect(text[1].hasPrefix("model a?[31m?b?c?, domain not recorded"))
  }
}
