// SPDX-License-Identifier: Apache-2.0
// epsim: tests of sizes of steps: their figures, and where one case overtakes another.

import CostModel
import Placement
import Reporting
import Testing
import Timing
import Workloads

@Suite("Sizes of steps")
struct CrossoverTests {
  private static let sizes = [32, 8, 128]
  private let fixture = CaseRecordFixture()

  /// A case on two ranks and two layers, with top-2, whose exchange takes so many microseconds a
  /// layer at each size; steps take the sizes in turn, and their times vary a little.
  private func measurement(
    _ name: String, _ times: [Int64], steps: Int = 8, noise: Int64 = 1
  ) throws -> CaseMeasurement {
    let layout = StampLayout(layerCount: 2)
    let topology = Topology(ranks: 2)
    let placement = try PlacementSpec(parsing: "contiguous").place(
      load: LoadHistogram(layers: [0, 1], expertCount: 2), topology: topology, groups: 1,
      modelLayers: [0, 1])
    var timeline = CaseTimeline(layout: layout, rankCount: 2)
    var traffic: [TrafficCounters] = []
    for step in 0..<steps * Self.sizes.count {
      let (round, index) = step.quotientAndRemainder(dividingBy: Self.sizes.count)
      // Rank 0 packs and reduces in one microsecond each, rank 1 dispatches faster.
      let exchange = times[index] + Int64(round % 3 - 1) * noise
      timeline.append(
        stampsOfRank: [exchange, exchange - 3].map { Self.stamps(exchange: $0, layout) },
        clockErrors: [0, 0])
      var counters = TrafficCounters(placement: placement, topology: topology)
      for layer in 0..<2 {
        let slots = [Int32](repeating: 1, count: 2 * Self.sizes[index])
        slots.withUnsafeBufferPointer {
          counters.add(layerRow: layer, sourceRank: 0, slots: $0, topK: 2)
        }
      }
      traffic.append(counters)
    }
    return CaseMeasurement(
      name: name, placement: placement,
      options: CaseMeasurement.Options(
        placement: "contiguous", isFitted: false, replicaChoice: "expert-rr",
        routing: CaseMeasurement.Routing(topK: 2),
        exchange: CaseMeasurement.Exchange(transport: name, wire: "bf16"), compute: "none"),
      block: 0, timeline: timeline, traffic: traffic,
      volumes: traffic.map { Self.volume(tokens: $0.layer(0).tokens) }, digest: 1,
      referenceError: nil, referenceTokens: 0, rowBytes: (dispatch: 100, combine: 200),
      expertBytes: 1, weightLayerCount: 1, groupSteps: [timeline.stepCount], stampCost: 30)
  }

  /// Rows that leave in two layers, each in one message with 4 bytes more a row.
  private static func volume(tokens: Int) -> ExchangeVolume {
    var volume = ExchangeVolume()
    for _ in 0..<2 {
      volume.dispatch.add(rows: 2 * tokens, bytes: 208 * tokens, leavesNode: false)
      volume.combine.add(rows: 2 * tokens, bytes: 400 * tokens, leavesNode: false)
    }
    return volume
  }

  /// Two layers of 50 microseconds for the experts and so many for their exchange, of which pack
  /// and reduce take one each, and the combine a third of the rest.
  private static func stamps(exchange: Int64, _ layout: StampLayout) -> [Int64] {
    let combine = (exchange - 2) / 3
    let durations: [LayerStamp: Int64] = [
      .route: 5, .plan: 7, .pack: 1, .dispatchArrived: exchange - 2 - combine, .expert: 50,
      .combineArrived: combine, .reduce: 1,
    ]
    var now: Int64 = 0
    var stamps: [Int64] = [0]
    for _ in 0..<layout.layerCount {
      for stamp in LayerStamp.allCases {
        now += durations[stamp] ?? 0
        stamps.append(now)
      }
    }
    return (stamps + [now]).map { $0 * 1000 }
  }

  private func records(_ cases: [CaseMeasurement]) -> [CaseRecord] {
    cases.enumerated().map { index, measurement in
      var record = CaseRecord(
        measurement, base: index == 0 ? nil : cases[0].timeline.stepTimes())
      record.sizes = CaseRecord.sizes(
        measurement, stepTokens: Self.sizes, base: index == 0 ? nil : cases[0].timeline)
      return record
    }
  }

  private func text(_ cases: [CaseRecord]) -> String {
    var record = fixture.runRecord(cases)
    record.workload.stepTokens = Self.sizes
    return CompareReport(record).text
  }

  /// The cells of a row of the table of times.
  private func row(_ name: String, _ text: String) -> [Substring]? {
    text.split(separator: "\n").first { $0.hasPrefix(name + " ") }?.dropFirst(name.count)
      .split(separator: " ")
  }

  @Test("figures are those of the steps of a size")
  func figures() throws {
    let records = records([
      try measurement("alltoallv", [100, 50, 300]), try measurement("p2p", [50, 50, 600]),
    ])
    let sizes = try #require(records[1].sizes)
    #expect(sizes.map(\.tokens) == Self.sizes)
    // Two choices a token and layer, spread over 2 x 2 pairs of ranks.
    #expect(sizes.map(\.rowsPerPeer) == [16, 4, 64])
    #expect(sizes.map(\.exchangeUs.median) == [50, 50, 600])
    // Exchange, route, plan and experts of two layers.
    #expect(sizes.map(\.stepUs.median) == [224, 224, 1324])
    #expect(sizes.map(\.stepUs.samples.count) == [8, 8, 8])
    #expect(sizes.map { $0.ratioToFirst?.median } == [0.5, 1, 2])
    #expect(sizes.map { $0.ratioToFirst?.differs } == [true, false, true])
    #expect(records[0].sizes?.allSatisfy { $0.ratioToFirst == nil } == true)
    // 128 tokens, 2 choices, 2 layers: 100 bytes there, 200 back, in 2 x 600 microseconds.
    #expect(sizes[2].bytes.logical.both == 128 * 2 * 2 * 300)
    #expect(sizes[2].wireBytes.offRank.dispatch == 2 * 208 * 128)
    #expect(sizes[2].messages.both == 4)
    #expect(abs(sizes[2].gbPerS.offRank - 128 * 2 * 2 * 300 / 1200.0 / 1000) < 1e-12)
  }

  @Test("steps of one size have no such figures, and a size without steps is left out")
  func absent() throws {
    let measurement = try measurement("p2p", [10, 10, 10])
    #expect(CaseRecord.sizes(measurement, stepTokens: [32], base: nil) == nil)
    let partly = CaseRecord.sizes(measurement, stepTokens: [32, 9], base: nil)
    #expect(partly?.map(\.tokens) == [32])
  }

  @Test("the crossover is found: marks per size, and a sentence with the gains")
  func crossover() throws {
    // By ascending size (8, 32, 128): p2p wins twice, then shm.
    let text = text(
      records([
        try measurement("alltoallv", [80, 30, 400]), try measurement("p2p", [40, 20, 300]),
        try measurement("shm", [60, 50, 100]),
      ]))
    #expect(row("tokens a step", text) == ["8", "32", "128"])
    #expect(row("rows per peer", text) == ["4", "16", "64"])
    #expect(row("alltoallv", text) == ["30.0", "80.0", "400"])
    #expect(row("p2p", text) == ["20.0*", "40.0*", "300"])
    #expect(row("shm", text) == ["50.0", "60.0", "100*"])
    #expect(
      text.replacing("\n  ", with: " ").contains(
        "Up to 16 rows per peer p2p is fastest, 1.50 to 2.00 times as fast as alltoallv; from 64 "
          + "shm is fastest, 4.00 times as fast as alltoallv."), "\(text)")
    #expect(text.contains("128 tokens a step") && !text.contains("step / first"))
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 }, "\(text)")
  }

  @Test("what cannot be told apart is marked and named, and joins neighbouring sizes")
  func noDifference() throws {
    let close = text(
      records([
        try measurement("alltoallv", [40, 20, 300], noise: 0),
        try measurement("p2p", [40, 20, 300], noise: 3), try measurement("shm", [90, 90, 900]),
      ]))
    #expect(row("alltoallv", close) == ["20.0*", "40.0*", "300*"])
    #expect(row("p2p", close) == ["20.0*", "40.0*", "300*"])
    #expect(
      close.contains("At every size alltoallv is fastest (no difference from p2p)."), "\(close)")
    let equal = text(
      records([
        try measurement("alltoallv", [40, 20, 300]), try measurement("p2p", [40, 20, 300]),
      ]))
    #expect(equal.contains("At every size there is no difference between the cases."), "\(equal)")
  }

  @Test("a case that is not to be told from the fastest is not called faster than it is")
  func hedged() throws {
    // The noise of p2p hides that it is slower at 8, and whether it is faster at 32.
    let text = text(
      records([
        try measurement("alltoallv", [40, 20, 300]),
        try measurement("p2p", [39, 19, 100], noise: 6), try measurement("shm", [60, 18, 300]),
      ]))
    #expect(row("p2p", text) == ["19.0*", "39.0*", "100*"], "\(text)")
    #expect(row("shm", text) == ["18.0*", "60.0", "300"], "\(text)")
    #expect(
      text.replacing("\n  ", with: " ").contains(
        "At every size p2p is fastest or not to be told from the fastest, 3.00 times as fast as "
          + "alltoallv where they differ."), "\(text)")
  }

  @Test("a size in the middle has a place of its own, and few steps are said to be few")
  func places() throws {
    let few = text(
      records([
        try measurement("alltoallv", [90, 20, 300], steps: 3),
        try measurement("p2p", [30, 30, 400], steps: 3),
      ]))
    #expect(
      few.replacing("\n  ", with: " ").contains(
        "Up to 4 rows per peer alltoallv is fastest; at 16 p2p is fastest, 3.00 times as fast as "
          + "alltoallv; from 64 alltoallv is fastest. Fewer than 8 steps of a size"), "\(few)")
  }

  @Test("many cases and sizes stay within the width of a terminal")
  func width() throws {
    let names = ["dedup rank shm+alltoallv pre-reduced", "dedup node shm+p2p exact bf16"]
    var cases = records(try names.map { try measurement($0, [123, 45, 98765]) })
    for index in cases.indices {
      let largest = try #require(cases[index].sizes?.last)
      cases[index].sizes! += (1...14).map { factor in
        var size = largest
        size.tokens = 100_000 + factor
        size.rowsPerPeer = 98_765.5 + Double(factor)
        return size
      }
    }
    let lines = text(cases).split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= 100 }, "\(lines.filter { $0.count > 100 })")
    // 17 sizes in three tables.
    #expect(lines.count { $0.hasPrefix("tokens a step") } == 3)
  }
}
