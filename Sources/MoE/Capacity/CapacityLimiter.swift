// SPDX-License-Identifier: Apache-2.0
// epsim: drops or reroutes what exceeds an expert's capacity.

/// Applies a capacity rule to batches; its memory is allocated once.
public final class CapacityLimiter {
  /// Fills in, for one token of the batch, the score by which the router prefers each expert ([E],
  /// minus infinity where it is closed) and the weight that each would carry ([E]).
  public typealias Preferences = (
    _ token: Int, _ scores: UnsafeMutableBufferPointer<Float>,
    _ weights: UnsafeMutableBufferPointer<Float>
  ) -> Void

  public let rule: CapacityRule
  /// E, the experts.
  public let expertCount: Int

  private let seed: UInt64
  private var random: CounterRandom
  /// [A] assignments by expert: the priority in the upper half, smaller is better; the index of the
  /// assignment in the lower half, so that no two are equal.
  private let keys: UnsafeMutableBufferPointer<UInt64>
  /// [E + 1] first key of each expert.
  private let firstKey: UnsafeMutableBufferPointer<Int>
  /// [E] assignments that each expert has taken.
  private let taken: UnsafeMutableBufferPointer<Int>
  private let scores: UnsafeMutableBufferPointer<Float>
  private let weights: UnsafeMutableBufferPointer<Float>

  /// - Parameter assignmentCapacity: A, the most choices (used or not) that a batch has.
  public init(
    rule: CapacityRule, expertCount: Int, assignmentCapacity: Int, seed: UInt64
  ) {
    precondition(assignmentCapacity < 1 << 32, "\(assignmentCapacity) assignments")
    self.rule = rule
    self.expertCount = expertCount
    self.seed = seed
    random = CounterRandom(seed: seed)
    func zeroed<Number: BitwiseCopyable & ExpressibleByIntegerLiteral>(
      _ count: Int
    ) -> UnsafeMutableBufferPointer<Number> {
      let buffer = UnsafeMutableBufferPointer<Number>.allocate(capacity: count)
      buffer.initialize(repeating: 0)
      return buffer
    }
    keys = zeroed(assignmentCapacity)
    firstKey = zeroed(expertCount + 1)
    taken = zeroed(expertCount)
    scores = zeroed(expertCount)
    weights = zeroed(expertCount)
  }

  /// Bytes that a limiter of this size needs.
  public static func byteCount(expertCount: Int, assignmentCapacity: Int) -> Int {
    8 * assignmentCapacity + 24 * expertCount
  }

  deinit {
    keys.deallocate()
    firstKey.deallocate()
    taken.deallocate()
    scores.deallocate()
    weights.deallocate()
  }

  /// Drops what is above capacity. Local, does not allocate.
  ///
  /// A dropped choice becomes ``RoutingDecision/dropped`` with weight 0; the weights of the others
  /// stay, as in Megatron-LM (DeepSpeed's top-2 gate renormalises them).
  /// - Parameters:
  ///   - decision: [T, K or more] choices; tokens in the order of the batch.
  ///   - tokens: [T] index of each token over the whole run, what random drops are keyed by.
  ///   - topK: K, which the capacity is computed from.
  ///   - layer: in the model's numbering; random drops are keyed by it.
  /// - Precondition: the policy is not to reroute.
  public func limit(
    _ decision: inout RoutingDecision, tokens: UnsafeBufferPointer<UInt64>, topK: Int, layer: Int
  ) {
    precondition(rule.policy != .reroute, "rerouting needs the router's preferences")
    limit(&decision, tokens: tokens, topK: topK, layer: layer) { _, _, _ in }
  }

  /// As without preferences; with the policy reroute, what is above capacity goes to the next-best
  /// expert with room. Local, does not allocate.
  public func limit(
    _ decision: inout RoutingDecision, tokens: UnsafeBufferPointer<UInt64>, topK: Int, layer: Int,
    preferences: Preferences
  ) {
    random = CounterRandom(seed: seed, 0xD20_9, UInt64(layer))
    let capacity = rule.capacity(
      tokens: decision.tokenCount, topK: topK, expertCount: expertCount)
    let width = decision.topK
    sortByExpert(decision, tokens: tokens)
    decision.expertIndices.withUnsafeMutableBufferPointer { chosen in
      decision.routingWeights.withUnsafeMutableBufferPointer { chosenWeights in
        for expert in 0..<expertCount {
          let range = firstKey[expert]..<firstKey[expert + 1]
          taken[expert] = min(range.count, capacity)
          guard range.count > capacity else { continue }
          let own = UnsafeMutableBufferPointer(rebasing: keys[range])
          PartialSort.moveSmallest(capacity, toFrontOf: own)
          for key in own[capacity...] {
            let index = Int(key & 0xFFFF_FFFF)
            chosen[index] = RoutingDecision.dropped
            // Marks a choice that looks for another expert, until reroute() has seen it.
            chosenWeights[index] = rule.policy == .reroute ? -1 : 0
          }
        }
        if rule.policy == .reroute {
          reroute(chosen, chosenWeights, width: width, capacity: capacity, preferences)
        }
      }
    }
  }

  /// Counting sort of the assignments' keys by expert; within an expert in the order of the batch.
  private func sortByExpert(
    _ decision: borrowing RoutingDecision, tokens: UnsafeBufferPointer<UInt64>
  ) {
    let count = decision.expertIndices.count
    precondition(
      count <= keys.count && tokens.count == decision.tokenCount,
      "\(count) choices of \(tokens.count) tokens, room for \(keys.count)")
    firstKey.update(repeating: 0)
    for index in 0..<count {
      let expert = decision.expertIndices[index]
      if expert >= 0 { firstKey[Int(expert) + 1] += 1 }
    }
    for expert in 0..<expertCount {
      taken[expert] = firstKey[expert]
      firstKey[expert + 1] += firstKey[expert]
    }
    for index in 0..<count {
      let expert = decision.expertIndices[index]
      guard expert >= 0 else { continue }
      keys[taken[Int(expert)]] =
        priority(decision, index: index, token: tokens[index / decision.topK]) << 32
        | UInt64(index)
      taken[Int(expert)] += 1
    }
  }

  /// 32 bits, the smaller the better.
  @inline(__always)
  private func priority(
    _ decision: borrowing RoutingDecision, index: Int, token: UInt64
  ) -> UInt64 {
    switch rule.policy {
    case .position, .reroute: return 0
    case .probability:
      // The bits of numbers that are not negative are in the order of the numbers.
      let weight = decision.routingWeights[index]
      return UInt64(weight > 0 ? ~weight.bitPattern : .max)
    case .random:
      let draw = random.bits(at: token &* 0x1_0001 &+ UInt64(decision.expertIndices[index]))
      return draw >> 32
    }
  }

  /// Offers every overflowing choice the experts with room, in the order of the batch.
  private func reroute(
    _ chosen: UnsafeMutableBufferPointer<Int32>,
    _ chosenWeights: UnsafeMutableBufferPointer<Float>, width: Int, capacity: Int,
    _ preferences: Preferences
  ) {
    var knownToken = -1
    for index in chosen.indices
    where chosen[index] == RoutingDecision.dropped && chosenWeights[index] == -1 {
      let token = index / width
      if token != knownToken { preferences(token, scores, weights) }
      knownToken = token
      var best = -1
      for expert in 0..<expertCount
      where taken[expert] < capacity && scores[expert] > -.infinity
        && (best < 0 || scores[expert] > scores[best])
        && !chosen[token * width..<(token + 1) * width].contains(Int32(expert))
      {
        best = expert
      }
      chosenWeights[index] = best < 0 ? 0 : weights[best]
      guard best >= 0 else { continue }
      chosen[index] = Int32(best)
      taken[best] += 1
    }
  }
}
