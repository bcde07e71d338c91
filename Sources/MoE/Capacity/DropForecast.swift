// SPDX-License-Identifier: Apache-2.0
// epsim: how many assignments a capacity will drop, from the experts' popularity alone.

internal import Foundation

/// What a capacity drops and wastes on average, predicted from how popular the experts are.
///
/// Tokens are taken to choose independently, expert e with probability p_e, so its load in a batch
/// of T tokens is Binomial(T, p_e) and its overflow E[max(0, X - C)] is a finite sum. Real tokens of
/// a text resemble each other, which makes real overflow larger: that is what the comparison with
/// counted drops shows.
public struct DropForecast: Sendable, Equatable {
  /// Expected share of the assignments that is dropped.
  public let droppedShare: Double
  /// Expected share of the E C capacity slots that holds an assignment.
  public let utilisation: Double

  /// Predicts one batch of one layer.
  /// - Parameters:
  ///   - loads: [E] assignments of each expert in tokens like these; only their proportions count.
  ///   - tokens: T, the tokens of the batch that the rule counts in.
  public init(loads: some Collection<Int>, tokens: Int, topK: Int, rule: CapacityRule) {
    precondition(!loads.isEmpty && tokens >= 1 && topK >= 1, "\(loads.count) experts")
    let total = Double(loads.reduce(0, +))
    let capacity = rule.capacity(tokens: tokens, topK: topK, expertCount: loads.count)
    let assignments = Double(tokens * topK)
    let dropped = loads.reduce(0.0) { sum, load in
      // No token chooses an expert twice, so no probability exceeds 1.
      let chance = total > 0 ? min(1, Double(topK * load) / total) : 0
      return sum + Self.overflow(draws: tokens, chance: chance, capacity: capacity)
    }
    droppedShare = dropped / assignments
    utilisation = (assignments - dropped) / Double(capacity * loads.count)
  }

  /// E[max(0, X - C)] for X ~ Binomial(draws, chance): sum over x > C of (x - C) P(X = x).
  static func overflow(draws: Int, chance: Double, capacity: Int) -> Double {
    guard capacity < draws, chance > 0 else { return 0 }
    guard chance < 1 else { return Double(draws - capacity) }
    let mean = Double(draws) * chance
    // Summed from the mode outwards nothing underflows: start at the larger of C + 1 and the mode.
    let first = capacity + 1
    let start = max(first, min(draws, Int(mean)))
    let n = Double(draws)
    func logMass(_ x: Double) -> Double {
      lgamma(n + 1) - lgamma(x + 1) - lgamma(n - x + 1) + x * log(chance)
        + (n - x) * log1p(-chance)
    }
    let odds = chance / (1 - chance)
    var sum = 0.0
    var mass = exp(logMass(Double(start)))
    let startMass = mass
    var x = start
    while x <= draws {
      let term = Double(x - capacity) * mass
      sum += term
      if Double(x) > mean, term < sum * 1e-17 { break }
      mass *= Double(draws - x) / Double(x + 1) * odds
      x += 1
    }
    mass = startMass
    x = start
    while x > first {
      mass *= Double(x) / (Double(draws - x + 1) * odds)
      x -= 1
      let term = Double(x - capacity) * mass
      sum += term
      if term < sum * 1e-17 { break }
    }
    return sum
  }
}
