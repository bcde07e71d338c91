// SPDX-License-Identifier: Apache-2.0
// epsim: tests of predicted exchanges, and of tables as files.

import CostModel
import Foundation
import MoE
import Testing

@Suite("Measured exchanges")
struct MeasuredExchangesTests {
  private let law = LinearEngine(engine: baseline, fixed: 40, perKilobyte: 0.5)

  @Test("a linear law is recovered between the points and continued outside of them")
  func linear() throws {
    let table = table([series([law])])
    for rows in stride(from: 16.0, through: 4096, by: 61) {
      let prediction = try #require(table.prediction(of: baseline, shape(rows: rows)))
      // The chord of a convex curve lies above it, at most so far for a factor of four.
      #expect((1...1.07).contains(prediction.us / law.us(rows * 1000) + 1e-9), "\(rows)")
      #expect(!prediction.isExtrapolated)
    }
    for rows in [0.5, 2, 8, 5000, 100_000] {
      let prediction = try #require(table.prediction(of: baseline, shape(rows: rows)))
      #expect(abs(prediction.us / law.us(rows * 1000) - 1) < 1e-9, "\(rows)")
      #expect(prediction.isExtrapolated)
    }
    for point in table.series[0].points {
      #expect(
        abs(table.prediction(of: baseline, point.shape)!.us / point.times[0].us - 1) < 1e-9)
    }
  }

  @Test("more bytes never take less time")
  func monotone() throws {
    let steep = LinearEngine(engine: baseline, fixed: -10, perKilobyte: 1)
    for engine in [law, steep] {
      let table = table([series([engine])])
      var last = 0.0
      for exponent in stride(from: -3.0, through: 7, by: 0.05) {
        let us = table.prediction(of: baseline, shape(rows: pow(10, exponent)))!.us
        #expect(us > 0 && us >= last, "\(exponent)")
        last = us
      }
    }
    // A falling end is noise: it is not continued.
    var falling = table([series([law], points: 2)])
    falling.series[0].points[1].times[0].us = 10
    #expect(falling.prediction(of: baseline, shape(rows: 1e6))!.us == 10)
    #expect(falling.prediction(of: baseline, shape(rows: 1))!.us == law.us(16_000))
  }

  @Test("one point is enough, and an engine without times has no prediction")
  func few() throws {
    let table = table([series([law], points: 1)])
    #expect(table.prediction(of: baseline, shape(rows: 32))!.us == 2 * law.us(16_000))
    #expect(table.prediction(of: baseline, shape(rows: 1))!.us == law.us(16_000))
    #expect(table.prediction(of: messages, shape(rows: 1)) == nil)
    #expect(MeasuredExchanges(created: "", machine: machine(), steps: 8, series: []).engines == [])
  }

  @Test("the series that is most like the exchange speaks for it")
  func nearest() throws {
    let slow = LinearEngine(engine: baseline, fixed: 4000, perKilobyte: 50)
    let table = table([
      series([law], skew: 1), series([slow], workload: "zipf", skew: 4),
    ])
    func us(_ skew: Double) -> Double {
      table.prediction(of: baseline, shape(rows: 64, skew: skew))!.us
    }
    #expect(us(1) == us(1.9) && us(2.1) == us(7) && abs(us(7) / us(1) - 100) < 1e-6)
  }

  @Test("a table survives its file")
  func file() throws {
    let before = table([series([law, LinearEngine(engine: copies, fixed: 1, perKilobyte: 3)])])
    let bytes = try before.encoded()
    #expect(try MeasuredExchanges(bytes: bytes, name: "t") == before)
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    #expect(json["schema"] as? String == "epsim-exchange/1")
    #expect((json["machine"] as? [String: Any])?["ranks_per_node"] as? [Int] == [4])
  }

  @Test("a table of other ranks or nodes is told from one that fits")
  func topology() {
    let table = table([series([law])], nodes: 2)
    #expect(table.difference(to: Topology(ranks: 4, nodes: 2)) == nil)
    #expect(table.difference(to: Topology(nodeOfRank: [0, 1, 0, 1])) == nil)
    #expect(
      table.difference(to: Topology(ranks: 4))?.contains(
        "on 2+2 ranks on 2 nodes, this run has 4 ranks on 1 node") == true)
    #expect(table.difference(to: Topology(nodeOfRank: [0, 0, 0, 1])) != nil)
    #expect(table.difference(to: Topology(ranks: 2, nodes: 2)) != nil)
  }

  @Test("anything but a whole table is refused in one sentence")
  func refusals() throws {
    let good = table([series([law])])
    func expectRefusal(_ change: (inout MeasuredExchanges) -> Void, _ part: String) throws {
      var bad = good
      change(&bad)
      let bytes = try bad.encoded()
      let error = #expect(throws: InputError.self) {
        try MeasuredExchanges(bytes: bytes, name: "t")
      }
      let text = error.map { "\($0)" } ?? ""
      #expect(text.contains(part) && !text.contains("\n"), "\(text)")
    }
    try expectRefusal({ $0.schema = "epsim-exchange/9" }, "schema epsim-exchange/1")
    try expectRefusal({ $0.series = [] }, "no times")
    try expectRefusal({ $0.series[0].points = [] }, "no times")
    try expectRefusal(
      {
        $0.series.append($0.series[0])
        $0.series[1].points = []
      }, "no points")
    try expectRefusal({ $0.series[0].points[1].times = [] }, "other engines")
    try expectRefusal({ $0.series[0].points[0].times[0].us = -1 }, "accepted are 0.001")
    try expectRefusal({ $0.series[0].points[0].times[0].us = 1e300 }, "accepted are 0.001")
    try expectRefusal({ $0.series[0].points[0].times[0].travelUs = 1e9 }, "travel")
    try expectRefusal({ $0.series[0].points[0].times[0].ci95 = [1] }, "interval")
    try expectRefusal({ $0.series[0].points[0].shape.skew = 0 }, "skew 0.0")
    try expectRefusal({ $0.series[0].points[0].shape.rowsPerRank = 0 }, "rows_per_rank")
    try expectRefusal({ $0.series[0].points.swapAt(0, 1) }, "in the order of bytes")
    try expectRefusal({ $0.machine.ranks = Int.max }, "ranks_per_node")
    try expectRefusal({ $0.machine.ranksPerNode = [-1] }, "ranks_per_node")
    try expectRefusal({ $0.machine.nodes = 0 }, "ranks_per_node")
    for text in [
      "", "{", "[]", "null", "{\"schema\": 1}", "{\"schema\": \"epsim-exchange/1\"}",
      String(repeating: "[", count: 100_000),
    ] {
      #expect(throws: InputError.self) {
        try MeasuredExchanges(bytes: Array(text.utf8), name: "t")
      }
    }
    // Numbers that no Double or Int holds.
    let text = String(decoding: try good.encoded(), as: UTF8.self)
    for (old, new) in [("\"skew\" : 1", "\"skew\" : 1e999"), ("\"ranks\" : 4", "\"ranks\" : 1e99")]
    {
      let altered = text.replacingOccurrences(of: old, with: new)
      #expect(altered != text)
      #expect(throws: InputError.self) {
        try MeasuredExchanges(bytes: Array(altered.utf8), name: "t")
      }
    }
  }
}
