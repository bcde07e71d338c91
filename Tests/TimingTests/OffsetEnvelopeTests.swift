// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the offset between two clocks against known truths.

import Testing
import Timing

@Suite("Offset envelope")
struct OffsetEnvelopeTests {
  private static let day: Int64 = 86_400_000_000_000

  @Test(
    "the true offset lies within the bound, however the round trip is shared",
    arguments: [0, 1, -1, day / 24, -day, 300 * day, -300 * day])
  func bound(offset: Int64) throws {
    var random = SeededGenerator(seed: 7)
    for _ in 0..<200 {
      var envelope = OffsetEnvelope()
      var shortest = Int64.max
      var now: Int64 = 3 * Self.day
      for _ in 0..<50 {
        let there = Int64.random(in: 1_000...90_000, using: &random)
        let back = Int64.random(in: 5_000...200_000, using: &random)
        envelope.add(sent: now, stamped: now + there + offset, received: now + there + back)
        shortest = min(shortest, there + back)
        now += there + back + 500
      }
      let anchor = try #require(envelope.anchor)
      #expect(abs(anchor.offset - offset) <= anchor.bound)
      let drifted = (now - 3 * Self.day) / 20_000 + 2
      #expect(anchor.bound <= shortest / 2 + drifted)
      #expect((3 * Self.day...now).contains(anchor.localTime))
    }
  }

  @Test("drift within the window is in the bound", arguments: [1, -1] as [Int64])
  func drift(sign: Int64) throws {
    // 100 ppm, probes of 2 us over 10 ms: the offset moves by half of a round trip.
    var envelope = OffsetEnvelope()
    func offset(_ local: Int64) -> Int64 { 5_000_000 + sign * (local / 10_000) }
    for local in stride(from: Int64(0), through: 10_000_000, by: 100_000) {
      envelope.add(sent: local, stamped: local + 1_000 + offset(local), received: local + 2_000)
    }
    let anchor = try #require(envelope.anchor)
    #expect(abs(anchor.offset - offset(anchor.localTime)) <= anchor.bound)
  }

  @Test("symmetric probes give the exact offset in the middle of their window")
  func symmetric() {
    var envelope = OffsetEnvelope()
    envelope.add(sent: 1_000, stamped: 500_500, received: 2_000)
    envelope.add(sent: 5_000, stamped: 504_500, received: 6_000)
    #expect(envelope.anchor == ClockAnchor(localTime: 3_500, offset: 499_000, bound: 501))
  }

  @Test("contradicting probes give no offset, the shortest of them always does")
  func contradiction() {
    var envelope = OffsetEnvelope()
    #expect(envelope.anchor == nil && envelope.anchorOfShortestProbe == nil)
    envelope.add(sent: 0, stamped: 1_000, received: 100)
    #expect(envelope.anchor?.offset == 950)
    #expect(envelope.anchorOfShortestProbe == envelope.anchor)
    // The root's clock was stepped by 5000 ns between the two.
    envelope.add(sent: 200, stamped: 6_200, received: 240)
    #expect(envelope.anchor == nil)
    #expect(
      envelope.anchorOfShortestProbe == ClockAnchor(localTime: 220, offset: 5_980, bound: 21))
    envelope.add(sent: 300, stamped: 6_300, received: 400)
    #expect(envelope.anchorOfShortestProbe?.localTime == 220)
  }
}

/// A small reproducible generator (SplitMix64, Steele, Lea and Flood 2014).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }
}
