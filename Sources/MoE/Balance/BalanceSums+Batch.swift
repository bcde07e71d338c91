// SPDX-License-Identifier: Apache-2.0
// epsim: adding a routed batch to the sums of balance.

internal import Foundation

extension BalanceSums {
  /// Adds the tokens of a batch. Local, does not allocate.
  ///
  /// Probabilities are taken over all experts, whatever was chosen: softmax of the logits, or
  /// sigmoid or sqrt-softplus scores divided by their sum, as in Megatron-LM and DeepSeek-V3. NaN
  /// logits count as minus infinity; a token without a number has no probabilities and adds 0 to
  /// the squared logsumexp. Losses look at what the router wants: pass its decision before capacity
  /// drops anything. Dropped assignments are not counted.
  /// - Parameters:
  ///   - logits: [T, E]; nil where none are known: then all sums of probabilities and logits stay 0.
  ///   - decision: [T, K].
  ///   - score: of the model's rule.
  ///   - segments: [T] segment of each token; nil if all belong to segment 0.
  public mutating func add(
    logits: UnsafeBufferPointer<Float>?, decision: RoutingDecision, score: RouterRule.Score,
    segments: UnsafeBufferPointer<Int32>? = nil
  ) {
    let (experts, width) = (expertCount, decision.topK)
    precondition(
      logits.map { $0.count == decision.tokenCount * experts } ?? true
        && segments.map { $0.count == decision.tokenCount } ?? true,
      "\(logits?.count ?? 0) logits for \(decision.tokenCount) x \(experts)")
    for token in 0..<decision.tokenCount {
      let segment = segments.map { Int($0[token]) } ?? 0
      precondition(segment >= 0 && segment < segmentCount, "segment \(segment) of \(segmentCount)")
      let first = segment * stride
      values[first] += 1
      if let logits {
        let row = UnsafeBufferPointer(rebasing: logits[token * experts..<(token + 1) * experts])
        addProbabilities(row, score: score, first: first)
      }
      for k in 0..<width {
        let expert = Int(decision.expertIndices[token * width + k])
        guard expert >= 0 else { continue }
        values[first + 2 + expert] += 1
        values[first + 2 + 2 * experts + expert] += Double(
          decision.routingWeights[token * width + k])
        // A device counts a token once, whatever the number of its experts.
        let device = expert * deviceCount / experts
        let isFirst = !(0..<k).contains {
          let earlier = Int(decision.expertIndices[token * width + $0])
          return earlier >= 0 && earlier * deviceCount / experts == device
        }
        if isFirst { values[first + 2 + 3 * experts + device] += 1 }
      }
    }
  }

  /// Adds the probabilities [E] and the squared logsumexp of one token.
  private mutating func addProbabilities(
    _ row: UnsafeBufferPointer<Float>, score: RouterRule.Score, first: Int
  ) {
    let largest = ScoreFunction.largest(row)
    var terms = 0.0
    for logit in row { terms += softmaxTerm(logit, largest) }
    if terms > 0 {
      let logSumExp = Double(largest) + log(terms)
      values[first + 1] += logSumExp * logSumExp
    }
    var total = 0.0
    for logit in row { total += term(logit, score, largest) }
    guard total > 0 else { return }
    let probabilities = first + 2 + expertCount
    for expert in row.indices {
      values[probabilities + expert] += term(row[expert], score, largest) / total
    }
  }

  private func softmaxTerm(_ logit: Float, _ largest: Float) -> Double {
    if logit.isNaN || largest == -.infinity { return 0 }
    return logit == largest ? 1 : exp(Double(logit) - Double(largest))
  }

  /// What a probability is proportional to.
  private func term(_ logit: Float, _ score: RouterRule.Score, _ largest: Float) -> Double {
    switch score {
    case .softmax: softmaxTerm(logit, largest)
    case .sigmoid: Double(ScoreFunction.sigmoid(logit))
    case .sqrtSoftplus: Double(ScoreFunction.sqrtSoftplus(logit))
    }
  }
}
