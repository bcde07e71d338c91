// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the figures of a case, on stamps and counters that can be checked by hand.

import CostModel
import Foundation
import Placement
import Reporting
import Testing
import Timing
import Workloads

@Suite("Case record")
struct CaseRecordTests {
  private let fixture = CaseRecordFixture()

  @Test("times are reduced over ranks first and over steps last")
  func times() throws {
    let entry = try fixture.record(steps: 8)
    #expect(entry.stepUs.median == 90)
    #expect(entry.stepUs.ci95 == [90, 90])
    #expect(entry.phasesUs["expert"]?.max == 60 && entry.phasesUs["expert"]?.mean == 40)
    #expect(entry.phasesUs["other"]?.mean == 0)
    // Shared: 3 us on both ranks.
    #expect(entry.expertTime.max == 63 && entry.expertTime.mean == 43)
    #expect(entry.ranks.map(\.expertUs) == [20, 60])
    #expect(entry.layers.map(\.layerUs) == [90])
  }

  @Test("waiting is separated from transfer, and the shares add up")
  func shares() throws {
    let entry = try fixture.record(steps: 8)
    #expect(entry.combineUs.total == 30)
    #expect(entry.combineUs.wait == 20 && entry.combineUs.transfer == 8)
    #expect(entry.combineUs.selfCopy == 2 && abs(entry.combineUs.error - 0.04) < 1e-12)
    #expect(entry.dispatchUs.wait == 0 && entry.dispatchUs.transfer == 6)
    #expect(abs(entry.shares.expert - 43.0 / 90) < 1e-12)
    #expect(abs(entry.shares.wait - 20.0 / 90) < 1e-12)
    #expect(abs(entry.shares.transfer - 14.0 / 90) < 1e-12)
    let sum = entry.shares.expert + entry.shares.wait + entry.shares.transfer + entry.shares.rest
    #expect(abs(sum - 1) < 1e-12)
  }

  @Test("the late rank is blamed, and efficiencies multiply")
  func attribution() throws {
    let entry = try fixture.record(steps: 8)
    #expect(entry.blame.waitingUs == [[0, 0], [40, 0]])
    #expect(abs(entry.blame.causes[1].expertUs - 20) < 1e-9)
    #expect(entry.ranks[0].combineUs.wait == 40 && entry.ranks[1].combineUs.wait == 0)
    let efficiency = entry.efficiency
    #expect(abs(efficiency.loadBalance - 43.0 / 63) < 1e-12)
    #expect(abs(efficiency.communication - 63.0 / 90) < 1e-12)
    #expect(
      abs(efficiency.loadBalance * efficiency.communication - efficiency.parallel) < 1e-12)
  }

  @Test("checks, sample groups and percentiles stand in the record")
  func checks() throws {
    let entry = try fixture.record(steps: 8)
    #expect(entry.checks.largestGapUs == 0 && entry.checks.causalityViolations == 0)
    #expect(entry.checks.causalityChecks == 16)
    #expect(abs(entry.checks.recordingShare - 19 * 0.03 / 90) < 1e-9)
    #expect(entry.groups.map(\.steps) == [7, 1] && entry.groups[1].medianUs == 90)
    #expect(entry.stepUs.p95 == nil && entry.stepUs.p99 == nil)
    #expect(try fixture.record(steps: 20).stepUs.p95 == 90)
  }

  @Test("copies and bytes are per step and in both directions")
  func traffic() throws {
    let entry = try fixture.record(steps: 8)
    #expect(entry.copies.logical.dispatch == 3 && entry.copies.offRank.combine == 2)
    #expect(entry.bytes.logical.dispatch == 300 && entry.bytes.logical.combine == 600)
    // Two rows of 100 bytes out, one of 200 back.
    #expect(entry.bytes.offRank.both == 400 && entry.bytes.offNode.both == 0)
    #expect(entry.copies.travelled.dispatch == 2 && entry.copies.travelled.combine == 1)
    #expect(entry.wireBytes.offRank.both == 412 && entry.wireBytes.offNode.both == 0)
    #expect(entry.messages.dispatch == 1 && entry.messages.combine == 1)
    // Dispatch takes 6 us, combine 30 in the mean.
    #expect(abs(entry.bandwidth.logical - 900.0 / 36 / 1000) < 1e-12)
    #expect(abs(entry.bandwidth.offRank - 400.0 / 36 / 1000) < 1e-12)
    // Loads 1 and 2: largest over mean is 2 / 1.5.
    #expect(abs(entry.load.maxOverMean - 4.0 / 3) < 1e-12)
    #expect(entry.fanOut.ranks == 1)
    #expect(entry.ranks.map(\.rows) == [1, 2])
  }

  @Test("a case is compared with the first one step by step")
  func ratio() throws {
    let faster = try fixture.record(steps: 8, base: Array(repeating: 100, count: 8))
    #expect(faster.ratioToFirst?.median == 0.9 && faster.ratioToFirst?.differs == true)
    let few = try fixture.record(steps: 3, base: [90, 90, 90])
    #expect(few.ratioToFirst?.differs == nil && few.stepUs.ci95 == nil)
  }

  @Test("the comparison names the fastest case and those that tie with it")
  func verdict() throws {
    var slow = try fixture.record(steps: 8)
    slow.name = "slow"
    slow.stepUs.samples = Array(repeating: 120, count: 8)
    slow.stepUs.median = 120
    var twin = try fixture.record(steps: 8, base: Array(repeating: 120, count: 8))
    twin.name = "twin"
    var fast = twin
    fast.name = "fast"
    let text = CompareReport(fixture.runRecord([slow, fast, twin])).text
    #expect(text.contains("Fastest: fast, 90.0 us a step; no difference between it and twin."))
    #expect(text.contains("fast: 25.0 % faster than slow"))
    let five = (0..<5).map { number in
      var equal = twin
      equal.name = "equal \(number)"
      return equal
    }
    #expect(
      CompareReport(fixture.runRecord(five)).text
        .contains("Fastest: equal 0, 90.0 us a step; no difference between it and any other case."))
    var single = try fixture.record(steps: 1)
    single.name = "single"
    var other = try fixture.record(steps: 1, base: [90])
    other.name = "other"
    let few = CompareReport(fixture.runRecord([single, other])).text
    #expect(few.contains("Fastest: single, 90.0 us a step; too few steps to tell it from other."))
  }

  @Test("a record survives being written and read")
  func coding() throws {
    let entry = try fixture.record(steps: 8)
    let data = try RecordCoding.json(entry)
    let object = try #require(
      try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(object["output_digest"] as? String == "00000000000000ab")
    #expect((object["step_us"] as? [String: Any])?["ci95"] as? [Double] == [90, 90])
    #expect((object["load"] as? [String: Any])?["max_over_mean"] != nil)
    #expect(object["combine_wire"] as? String == "f32")
    #expect(object["reference_error"] is NSNull && object["ratio_to_first"] is NSNull)
    // What was written reads back as the same record.
    let record = fixture.runRecord([entry])
    let written = try RecordCoding.json(record)
    #expect(try RecordCoding.json(RecordCoding.record(from: written)) == written)
  }
}
