// SPDX-License-Identifier: Apache-2.0
// epsim: which rounds a block of cases runs, and what is done in each.

internal import MoE

/// The rounds of one block of cases.
struct RoundSchedule {
  /// One step of every case of the block.
  struct Round {
    /// Step number, warm-up included; decides the tokens.
    let step: Int
    let isMeasured: Bool
    /// Whether its outputs are those that the digest is made of.
    let takesDigest: Bool
    /// Whether clocks are compared before it.
    let anchorsBefore: Bool
  }

  let rounds: [Round]

  /// - Parameter finishedRounds: measured rounds that need not be run again. The first of them is
  ///   run unmeasured as a last round of warm-up, for its digest. A block that has nothing left to
  ///   measure, check or sum up has no rounds.
  init(_ configuration: RunConfiguration, finishedRounds: Int) {
    let first = configuration.warmupSteps
    let end = first + configuration.measuredSteps
    let looksAfterwards = configuration.checksReference || configuration.balance != nil
    if finishedRounds >= configuration.measuredSteps && !looksAfterwards {
      rounds = []
      return
    }
    let measured = min(end, first + finishedRounds)..<end
    var rounds = (0..<first).map {
      Round(step: $0, isMeasured: false, takesDigest: false, anchorsBefore: false)
    }
    if finishedRounds > 0 {
      rounds.append(
        Round(step: first, isMeasured: false, takesDigest: true, anchorsBefore: false))
    }
    // The anchor in the middle tells how far clocks stray from a straight line.
    let middle = measured.lowerBound + measured.count / 2
    rounds += measured.map {
      Round(
        step: $0, isMeasured: true, takesDigest: $0 == first,
        anchorsBefore: $0 == measured.lowerBound || $0 == middle)
    }
    self.rounds = rounds
  }

  /// The order of what takes turns in a round: shuffled, the same on every rank.
  static func shuffled(_ count: Int, round: Int, seed: UInt64) -> [Int] {
    let random = CounterRandom(seed: seed, 0x0_4DE4, UInt64(round))
    return (0..<count).sorted { random.bits(at: UInt64($0)) < random.bits(at: UInt64($1)) }
  }
}
