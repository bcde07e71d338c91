// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the split of exchanges whose messages complete one by one.

import Testing
import Timing

@Suite struct PartnerSplitTests {
  /// A rank whose completions are of ranks 0, 1, ...; it arrives with the last of them.
  private func rank(
    _ entry: Int64, _ completions: [Int64], error: Int64 = 0, gap: Int64 = 0, selfCopy: Int64 = 0
  ) -> ExchangeStamps {
    let arrived = max(entry, completions.max() ?? entry)
    return ExchangeStamps(
      entry: entry, entered: entry, arrived: arrived, exit: arrived + selfCopy, clockError: error,
      completions: completions, pollGap: gap)
  }

  @Test func latePartnerMakesTheRankWait() {
    let split = ExchangeSplit.split([
      rank(0, [0, 5200], error: 3, gap: 7, selfCopy: 10), rank(5000, [5150, 5000], error: 4),
    ])
    #expect(split.map(\.wait) == [5000, 0] && split.map(\.transfer) == [200, 150])
    #expect(split.map(\.selfCopy) == [10, 0] && split.map(\.culprit) == [1, nil])
    // Both clocks, and the gap of the rank whose completions these are.
    #expect(split.map(\.error) == [14, 7])
  }

  @Test func whileOneOfTwoPartnersTransfersTheRankDoesNotWait() {
    // Rank 1 is there and done at 300; only then is rank 2, which enters at 5000, waited for.
    let split = ExchangeSplit.split([
      rank(0, [0, 300, 5200]), rank(0, [300, 0, 0]), rank(5000, [5100, 5000, 5000]),
    ])
    #expect(split[0].wait == 4700 && split[0].transfer == 500 && split[0].culprit == 2)
    // Rank 1 exchanges nothing with the late rank.
    #expect(split[1].wait == 0 && split[1].transfer == 300 && split[1].culprit == nil)
    #expect(split[2].wait == 0)
  }

  @Test func nobodyLateMeansNoWaiting() {
    let split = ExchangeSplit.split([
      rank(100, [100, 150, 170]), rank(90, [150, 90, 160]), rank(80, [170, 160, 80]),
    ])
    #expect(split[0].wait == 0 && split[0].transfer == 70 && split[0].culprit == nil)
    // Rank 1 was there 10 before rank 0, but rank 2 was there already.
    #expect(split[1].wait == 0 && split[1].transfer == 70)
    // Rank 2 came first and waits until the first of its partners is there.
    #expect(split[2].wait == 10 && split[2].transfer == 80 && split[2].culprit == 1)
  }

  @Test func ranksWithoutMessagesNeitherWaitNorAreWaitedFor() {
    let split = ExchangeSplit.split([
      rank(0, [0, 40, 0], error: 2), rank(0, [40, 0, 0], error: 3),
      rank(9000, [0, 0, 0], error: 99),
    ])
    #expect(split.map(\.wait) == [0, 0, 0] && split.map(\.culprit) == [nil, nil, nil])
    // The clock of a rank that is no partner does not matter; without partners nothing is unsure.
    #expect(split.map(\.error) == [5, 5, 0])
  }

  @Test func theRanksOwnCompletionIsIgnored() {
    let split = ExchangeSplit.split([rank(0, [80, 60]), rank(50, [60, 50])])
    #expect(split[0].wait == 50 && split[0].transfer == 30)
    #expect(ExchangeSplit.split([rank(0, [80])])[0].wait == 0)
  }

  @Test func mostOfTheWaitingDecidesWhoIsBlamed() {
    // Until 5 for rank 1, 10 ... 5000 for rank 2, 5010 ... 5020 for rank 3.
    let split = ExchangeSplit.split([
      rank(0, [0, 10, 5010, 5030]), rank(5, [10, 5, 5, 5]), rank(5000, [5010, 0, 0, 0]),
      rank(5020, [5030, 0, 0, 0]),
    ])
    #expect(split[0].wait == 5 + 4990 + 10 && split[0].culprit == 2)
  }

  @Test func everyPieceOfWaitingMayBeOff() {
    let partners = [
      rank(0, [0, 150, 400], error: 1, gap: 3), rank(100, [100, 0, 0], error: 2),
      rank(300, [300, 0, 0], error: 5),
    ]
    let split = ExchangeSplit.split(partners)
    #expect(split[0].wait == 100 + 150 && split[0].error == 2 * (1 + 5 + 3))
    // But by no more than the time in the exchange.
    let blurred = partners.map { stamps in
      var stamps = stamps
      stamps.clockError = 150
      return stamps
    }
    #expect(ExchangeSplit.split(blurred)[0].error == 400)
  }

  @Test func lostClocksDoNotOverflow() {
    let far: Int64 = 1 << 60
    let split = ExchangeSplit.split([
      rank(-far, [0, far, far, far], error: far, gap: 2 * far),
      rank(far, [0, 0, 0, 0], error: far),
      rank(0, [0, 0, 0, 0], error: far), rank(far, [-far, -far, -far, -far], error: far),
    ])
    for part in split { #expect(part.wait >= 0 && part.error >= 0) }
  }
}

/// Random exchanges, judged by references that are slow and obvious.
@Suite struct PartnerSplitPropertyTests {
  /// What really happened to one rank: times on one perfect clock, completions without polls.
  private struct Truth {
    var entry: Int64
    var arrived: Int64
    /// Of each partner: when it entered, when its last message was complete.
    var partners: [(entry: Int64, completion: Int64)]

    /// Walks through the exchange tick by tick.
    var wait: Int64 {
      (entry..<max(entry, arrived)).reduce(0) { sum, tick in
        let pending = partners.filter { $0.completion > tick }
        return sum + (!pending.isEmpty && pending.allSatisfy { $0.entry > tick } ? 1 : 0)
      }
    }
  }

  /// A rank with some of its partners; nothing is complete before both sides have entered.
  private func truth(_ random: inout SplitMix) -> Truth {
    let entry = Int64.random(in: 200...400, using: &random)
    // Short transfers make many pieces of waiting.
    let longest = [Int64(4), 30, 120].randomElement(using: &random)!
    let partners = (0..<Int.random(in: 0...7, using: &random)).map { _ in
      let other = Int64.random(in: 100...600, using: &random)
      return (other, max(entry, other) + .random(in: 1...longest, using: &random))
    }
    let last = partners.map(\.1).max() ?? entry
    return Truth(
      entry: entry, arrived: last + .random(in: 0...9, using: &random), partners: partners)
  }

  /// The stamps of rank 0, of its partners, and of one rank that is none.
  private func stamps(_ truth: Truth, latecomer: Int64 = 9000) -> [ExchangeStamps] {
    let own = ExchangeStamps(
      entry: truth.entry, entered: truth.entry, arrived: truth.arrived, exit: truth.arrived + 3,
      clockError: 0,
      completions: [truth.entry] + truth.partners.map(\.completion) + [truth.entry])
    return [own]
      + (truth.partners.map(\.entry) + [latecomer]).map { entry in
        ExchangeStamps(
          entry: entry, entered: entry, arrived: entry, exit: entry, clockError: 0,
          completions: Array(repeating: entry, count: truth.partners.count + 2))
      }
  }

  @Test func splitAgreesWithAWalkThroughTheExchange() {
    var random = SplitMix(state: 1)
    var waits = 0
    for _ in 0..<3000 {
      let truth = truth(&random)
      let split = ExchangeSplit.split(stamps(truth))[0]
      #expect(split.wait == truth.wait)
      #expect(split.wait >= 0 && split.transfer >= 0)
      #expect(split.wait + split.transfer == truth.arrived - truth.entry)
      #expect(split.total == truth.arrived - truth.entry + 3)
      // The culprit is a partner that entered after this rank.
      #expect((split.culprit == nil) == (split.wait == 0))
      if let culprit = split.culprit {
        #expect((1...truth.partners.count).contains(culprit))
        #expect(truth.partners[culprit - 1].entry > truth.entry)
      }
      waits += split.wait > 0 ? 1 : 0
    }
    #expect((500...2500).contains(waits))
  }

  @Test func errorBoundsWhatClocksAndPollsHide() {
    var random = SplitMix(state: 2)
    var severalPieces = 0
    for _ in 0..<3000 {
      let truth = truth(&random)
      var stamps = stamps(truth)
      // Polls at most so far apart; a completion is seen at the first poll after it.
      let gap = Int64.random(in: 1...80, using: &random)
      var polls = [truth.entry]
      while polls.last! < truth.arrived {
        polls.append(polls.last! + .random(in: 1...gap, using: &random))
      }
      stamps[0].completions = stamps[0].completions.map { time in polls.first { $0 >= time }! }
      stamps[0].arrived = max(truth.arrived, polls.last!)
      stamps[0].pollGap = gap
      let worstClock = [Int64(0), 20].randomElement(using: &random)!
      for rank in stamps.indices {
        let error = Int64.random(in: 0...worstClock, using: &random)
        let shift = Int64.random(in: -error...error, using: &random)
        stamps[rank].clockError = error
        stamps[rank].entry += shift
        stamps[rank].arrived += shift
        stamps[rank].completions = stamps[rank].completions.map { $0 + shift }
      }
      let split = ExchangeSplit.split(stamps)[0]
      #expect(abs(split.wait - truth.wait) <= split.error)
      let others = stamps.dropFirst().dropLast().map(\.clockError).max() ?? 0
      let single = truth.partners.isEmpty ? 0 : stamps[0].clockError + others + gap
      #expect(split.error >= single)
      if split.error > single { severalPieces += 1 }
    }
    #expect(severalPieces > 100)
  }

  @Test func onePartnerThatArrivesLastIsACollectiveOfTwo() {
    var random = SplitMix(state: 3)
    for _ in 0..<500 {
      var truth = truth(&random)
      truth.partners = Array(truth.partners.prefix(1))
      guard let partner = truth.partners.first else { continue }
      truth.arrived = partner.completion
      let exact = stamps(truth)
      var collective = Array(exact.prefix(2))
      for rank in collective.indices { collective[rank].completions = [] }
      let (one, other) = (ExchangeSplit.split(exact)[0], ExchangeSplit.split(collective)[0])
      #expect(one == other)
    }
  }

  @Test func partnersThatEnterTogetherAndArriveLastAreACollective() {
    var random = SplitMix(state: 4)
    for _ in 0..<500 {
      var truth = truth(&random)
      let entry = Int64.random(in: 100...600, using: &random)
      truth.arrived = max(entry, truth.arrived) + 1
      truth.partners = truth.partners.map { _ in (entry, truth.arrived) }
      guard !truth.partners.isEmpty else { continue }
      let exact = stamps(truth)
      var collective = Array(exact.dropLast())
      for rank in collective.indices { collective[rank].completions = [] }
      #expect(ExchangeSplit.split(exact)[0].wait == ExchangeSplit.split(collective)[0].wait)
    }
  }

  @Test func nobodyWaitsLongerThanUntilItsLastPartnerHasEntered() {
    var random = SplitMix(state: 5)
    for _ in 0..<1000 {
      let truth = truth(&random)
      let exact = stamps(truth)
      var collective = Array(exact.dropLast())
      for rank in collective.indices { collective[rank].completions = [] }
      #expect(ExchangeSplit.split(exact)[0].wait <= ExchangeSplit.split(collective)[0].wait)
    }
  }
}

/// Repeatable random bits: splitmix64.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }
}
