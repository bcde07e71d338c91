// SPDX-License-Identifier: Apache-2.0
// epsim: tests of link parameters fitted to times of messages.

import CostModel
import MoE
import Projection
import Testing

@Suite struct FitLinkTests {
  /// Eager below 8 KiB, another protocol above, a third from 1 MiB on.
  private let truth = LinkParameters(segments: [
    .init(from: .zero, latency: .microseconds(2), bandwidth: .gigabytes(1)),
    .init(from: Bytes(8192), latency: .microseconds(9), bandwidth: .gigabytes(4)),
    .init(from: Bytes(1_048_576), latency: .microseconds(200), bandwidth: .gigabytes(11)),
  ])

  /// 256 B to 64 MiB, every size three times, times off by up to `noise`.
  private func rows(noise: Double, seed: UInt64 = 3) -> [LinkFit.Row] {
    let random = CounterRandom(seed: seed, 77)
    return (0..<57).map { index in
      let size = Bytes(Double(256 << (index / 3)))
      let factor = 1 + noise * (2 * random.unit(at: UInt64(index)) - 1)
      return .init(
        size: size, messages: 3, time: truth.time(messages: 3, bytes: size * 3) * factor)
    }
  }

  @Test func piecesAndBreakpointsAreFound() throws {
    let fit = try LinkFit(rows(noise: 0), name: "pieces")
    #expect(fit.segments.count == 3)
    for (segment, expected) in zip(fit.segments, truth.segments) {
      #expect(abs(segment.latency / expected.latency - 1) < 1e-6)
      #expect(abs(segment.bandwidth / expected.bandwidth - 1) < 1e-6)
    }
    // A breakpoint lies between the sizes on its two sides: 4096 and 8192 B.
    #expect(fit.parameters.segments[1].from > Bytes(4096))
    #expect(fit.parameters.segments[1].from <= Bytes(8192))
    #expect(fit.measured == Bytes(256)...Bytes(67_108_864))
    #expect(fit.verdict.isGood && fit.verdict.meanAbsoluteError < 1e-6)
    #expect(fit.verdict.description.hasPrefix("fits: mean error 0.0 % over 57 rows"))
  }

  @Test func intervalsHoldTheTruthAndFollowTheSeed() throws {
    var (held, count) = (0, 0)
    for seed in 0..<40 {
      let fit = try LinkFit(rows(noise: 0.05, seed: UInt64(seed)), name: "noise")
      guard let last = fit.segments.last, last.measured.lowerBound >= Bytes(1_048_576) else {
        continue
      }
      count += 1
      held += last.bandwidthInterval.contains(.gigabytes(11)) ? 1 : 0
      #expect(last.bandwidthInterval.contains(last.bandwidth))
      #expect(last.latencyInterval.contains(last.latency))
    }
    // 95 % in the mean; 40 draws of it fall below 32 once in ten thousand times.
    #expect(count >= 30 && held * 40 >= 32 * count, "\(held) of \(count)")
    let noisy = rows(noise: 0.05)
    let first = try LinkFit(noisy, name: "noise", seed: 1)
    #expect(try LinkFit(noisy, name: "noise", seed: 1).segments == first.segments)
    #expect(try LinkFit(noisy, name: "noise", seed: 2).segments != first.segments)
  }

  @Test func theLineRateBoundsEveryBandwidthOrRefusesTheRows() throws {
    let fit = try LinkFit(rows(noise: 0), name: "line", lineRate: .gigabytes(12))
    #expect(fit.segments.allSatisfy { $0.bandwidth <= .gigabytes(12) && !$0.isAtLineRate })
    let error = #expect(throws: InputError.self) {
      try LinkFit(rows(noise: 0), name: "line", lineRate: .gigabytes(10))
    }
    #expect(
      error?.description
        == "line: messages from 741455.0 B on move at 11.0 GB/s, accepted is at most the line rate "
        + "of 10.0 GB/s")
    // Small messages say nothing of the bandwidth: the line rate is taken, and it is said.
    let small = try LinkFit(
      (0..<8).map { .init(size: Bytes(Double(8 << $0)), time: .microseconds(3)) }, name: "small",
      lineRate: .gigabytes(10))
    #expect(small.segments.count == 1 && small.segments[0].isAtLineRate)
    #expect(small.parameters.segments[0].bandwidth == .gigabytes(10))
    #expect(
      small.description.hasSuffix(
        "; the line rate sets the bandwidth of messages of 8.0 to 1024.0 B")
    )
    // Rows whose interval reaches down to the line rate are fitted at it.
    let near = try LinkFit(rows(noise: 0.1), name: "near", lineRate: .gigabytes(10.95))
    #expect(near.segments.allSatisfy { $0.bandwidth.value <= 10.95e9 * (1 + 1e-9) })
  }

  @Test func aFitThatPredictsNothingIsCalledBad() throws {
    let random = CounterRandom(seed: 5, 1)
    let fit = try LinkFit(
      (0..<30).map {
        .init(
          size: Bytes(Double($0 + 1)),
          time: .microseconds(1 + 99 * random.unit(at: UInt64($0))))
      }, name: "chance")
    #expect(!fit.verdict.isGood)
    #expect(fit.verdict.description.contains("does not fit"))
    let single = try LinkFit(
      [.init(size: Bytes(8), time: .microseconds(4))], name: "one")
    #expect(single.parameters.time(messages: 1, bytes: Bytes(8)).microseconds == 4)
    #expect(!single.verdict.isGood && single.verdict.description.contains("cannot be judged"))
  }

  @Test func tablesWithAndWithoutPeersAreRead() throws {
    let plain = try LinkFit(csv: Array("bytes,us\n0,5\n1000,6\n2000,7\n4000,9\n".utf8), name: "t")
    #expect(abs(plain.segments[0].latency.microseconds - 5) < 1e-9)
    #expect(abs(plain.segments[0].bandwidth.value - 1e9) < 1)
    let peers = try LinkFit(
      csv: Array("us,peers,bytes\r\n15,3,0\r\n12,2,1000\r\n21,3,2000\r\n".utf8), name: "t")
    #expect(abs(peers.segments[0].latency.microseconds - 5) < 1e-9)
    #expect(abs(peers.segments[0].bandwidth.value - 1e9) < 1)
  }

  @Test(arguments: [
    ("bytes,us\n8,0\n", "t: \"0\" in line 2, column us, accepted are numbers from 1e-06 to"),
    ("bytes,us\n-8,1\n", "t: \"-8\" in line 2, column bytes, accepted are numbers from 0.0 to"),
    ("bytes,us\n8,nan\n", "t: \"nan\" in line 2, column us"),
    ("bytes,us\n8,1e400\n", "t: \"1e400\" in line 2, column us"),
    ("bytes,ms\n8,1\n", "t: there is no column \"us\" in it, its columns are bytes, ms"),
    ("bytes,us,peers\n8,1,0\n", "t: \"0\" in line 2, column peers"),
    ("bytes,us\n", "t: there are no rows in it"),
  ])
  func badTablesAreRefused(text: String, sentence: String) {
    let error = #expect(throws: InputError.self) {
      try LinkFit(csv: Array(text.utf8), name: "t")
    }
    #expect(error?.description.hasPrefix(sentence) == true, "\(error?.description ?? "")")
  }

  @Test func tablesCutOrDamagedAnywhereNeverCrash() throws {
    let whole = Array("bytes,us,peers\n0,5,1\n1e3,6.5,2\n\"2000\",7,3\n4000,9,1\n".utf8)
    let random = CounterRandom(seed: 2, 2)
    for draw in 0..<400 {
      var bytes = whole
      if draw < whole.count {
        bytes.removeSubrange(draw...)
      } else {
        for change in 0..<3 {
          let at = Int(random.unit(at: UInt64(8 * draw + change)) * Double(whole.count))
          // Mostly of what tables are made of, so that many of them parse.
          let from = random.bits(at: UInt64(8 * draw + 3 + change))
          bytes[at] = from % 4 == 0 ? UInt8(from >> 8 & 255) : whole[Int(from >> 8) & 31]
        }
      }
      do {
        let fit = try LinkFit(csv: bytes, name: "t", lineRate: .gigabytes(50))
        for segment in fit.segments {
          #expect(segment.latency.value >= 0 && segment.latency.value.isFinite)
          #expect(segment.bandwidth.value > 0 && segment.bandwidth <= .gigabytes(50.001))
        }
      } catch let error as InputError {
        #expect(!error.description.contains("\n"))
      }
    }
  }

  @Test func tooMuchIsRefused() {
    let many = (0..<501).map { LinkFit.Row(size: Bytes(Double($0)), time: .microseconds(1)) }
    #expect(throws: InputError.self) { try LinkFit(many, name: "many") }
    let same = Array(
      repeating: LinkFit.Row(size: Bytes(8), time: .microseconds(1)),
      count: LinkFit.maximumRows + 1)
    #expect(throws: InputError.self) { try LinkFit(same, name: "same") }
    #expect(throws: InputError.self) {
      try LinkFit([.init(size: Bytes(.nan), time: .microseconds(1))], name: "nan")
    }
    #expect(throws: InputError.self) {
      try LinkFit([.init(size: Bytes(1), time: Seconds(1))], name: "rate", lineRate: .zero)
    }
  }
}
