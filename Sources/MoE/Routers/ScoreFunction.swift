// SPDX-License-Identifier: Apache-2.0
// epsim: from logits to scores.

internal import Foundation

/// Functions from logits to scores that neither overflow nor give NaN.
///
/// A NaN logit scores 0. Plus infinity counts as the largest finite number where the score grows
/// with the logit (sqrt-softplus), and shares the whole softmax with its equals.
enum ScoreFunction {
  /// 1 / (1 + exp(-x)).
  @inline(__always)
  static func sigmoid(_ x: Float) -> Float {
    // The exponential of a number that is not positive cannot overflow.
    let e = exp(-abs(x))
    // No branch on the sign, which is random: it would cost more than the exponential.
    let numerator: Float = x >= 0 ? 1 : e
    let score = numerator / (1 + e)
    return score.isNaN ? 0 : score
  }

  /// sqrt(log(1 + exp(x))).
  @inline(__always)
  static func sqrtSoftplus(_ x: Float) -> Float {
    if x.isNaN { return 0 }
    let bounded = min(x, .greatestFiniteMagnitude)
    return (max(bounded, 0) + log1p(exp(-abs(bounded)))).squareRoot()
  }

  /// exp(logit - largest); 1 where both are equal, infinities included, 0 for NaN.
  ///
  /// - Parameter largest: not NaN. Minus infinity, no logit being a number, gives 0.
  @inline(__always)
  static func softmaxTerm(_ logit: Float, largest: Float) -> Float {
    if logit.isNaN || largest == -.infinity { return 0 }
    return logit == largest ? 1 : exp(logit - largest)
  }

  /// The largest logit and the sum of exp(logit - largest) over a row.
  @inline(__always)
  static func softmaxTotal(
    _ row: UnsafeBufferPointer<Float>
  ) -> (largest: Float, total: Float) {
    let largest = Self.largest(row)
    var total: Float = 0
    for logit in row { total += softmaxTerm(logit, largest: largest) }
    return (largest, total)
  }

  /// The largest logit of a row that is not NaN; minus infinity where there is none.
  @inline(__always)
  static func largest(_ row: UnsafeBufferPointer<Float>) -> Float {
    var largest = -Float.infinity
    // A comparison with NaN is false, so NaN is passed over.
    for logit in row where logit > largest { largest = logit }
    return largest
  }
}

extension RouterRule.Score {
  /// Fills `scores` [E] with the scores of a token's logits [E]; those of softmax add up to 1.
  @inline(__always)
  func fill(
    _ scores: UnsafeMutableBufferPointer<Float>, from logits: UnsafeBufferPointer<Float>
  ) {
    switch self {
    case .softmax:
      let largest = ScoreFunction.largest(logits)
      var total: Float = 0
      for expert in logits.indices {
        let term = ScoreFunction.softmaxTerm(logits[expert], largest: largest)
        scores[expert] = term
        total += term
      }
      let factor = total > 0 ? 1 / total : 0
      for expert in logits.indices { scores[expert] *= factor }
    case .sigmoid:
      for expert in logits.indices { scores[expert] = ScoreFunction.sigmoid(logits[expert]) }
    case .sqrtSoftplus:
      for expert in logits.indices { scores[expert] = ScoreFunction.sqrtSoftplus(logits[expert]) }
    }
  }
}
