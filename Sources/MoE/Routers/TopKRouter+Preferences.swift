// SPDX-License-Identifier: Apache-2.0
// epsim: what a token would choose if its choice had no room.

extension TopKRouter {
  public func preferences(
    _ batch: RouterBatch, token: Int, scores: UnsafeMutableBufferPointer<Float>,
    weights: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(
      scores.count == expertCount && weights.count == expertCount
        && batch.scratch.count >= scratchCount(tokenCount: 1),
      "\(scores.count) scores, \(weights.count) weights of \(expertCount) experts; scratch "
        + "\(batch.scratch.count)")
    preferences(
      batch.row(token, expertCount: expertCount), bias: batch.bias, scratch: batch.scratch,
      values: scores, weights: weights)
  }

  /// The preferences of one token: all [E].
  func preferences(
    _ logits: UnsafeBufferPointer<Float>, bias: UnsafeBufferPointer<Float>?,
    scratch: UnsafeMutableBufferPointer<Float>, values: UnsafeMutableBufferPointer<Float>,
    weights: UnsafeMutableBufferPointer<Float>
  ) {
    var scratch = scratch
    let scores = scratch.take(expertCount)
    var known: UnsafeBufferPointer<Float>?
    if bias == nil && rule.groups == nil {
      for expert in 0..<expertCount {
        values[expert] = logits[expert].isNaN ? -.infinity : logits[expert]
      }
    } else {
      fillValues(values, scores: scores, logits: logits, bias: bias)
      if rule.scope == .all { known = UnsafeBufferPointer(scores) }
    }
    if let groups = rule.groups {
      let (isOpen, counts) = (scratch.take(groups.groupCount), scratch.take(groups.groupCount))
      groups.open(values, isOpen: isOpen, counts: counts)
      let size = expertCount / groups.groupCount
      for expert in 0..<expertCount where isOpen[expert / size] == 0 {
        values[expert] = groups.mask == .zero ? Self.masked(values[expert]) : -.infinity
      }
    }
    let best = scratch.take(topK)
    scratch.take(topK).withMemoryRebound(to: Int32.self) { chosen in
      var selection = LargestSelection(into: chosen, best)
      for expert in 0..<expertCount { selection.offer(values[expert], expert) }
      // Where too few experts may be taken, the rest of the choice counts nothing.
      for k in 0..<topK where best[k] == -.infinity { chosen[k] = RoutingDecision.dropped }
      let scale = scale(logits, chosen: UnsafeBufferPointer(chosen), scores: known)
      for expert in 0..<expertCount {
        // An expert that must not be taken may have a logit far above the chosen ones.
        weights[expert] =
          values[expert] == -.infinity
          ? 0
          : min(
            weight(expert, logits: logits, scores: known, scale: scale),
            .greatestFiniteMagnitude)
      }
    }
  }
}
