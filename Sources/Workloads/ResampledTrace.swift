// SPDX-License-Identifier: Apache-2.0
// epsim: a batch larger than a recorded trace, made of random parts of its sequences.

public import MoE

/// Routes steps of any size by runs of tokens drawn from a trace with replacement.
///
/// Position p lies in run floor(p / L); every run takes a random token of the judged tokens and
/// those after it, around the end of its sequence back to the sequence's first judged token. So
/// neighbours in a run are neighbours in a text, and no two steps or ranks have the same batch.
public struct ResampledTrace: RoutingSource {
  /// L, tokens of a run.
  public static let runLength = 64

  public let trace: RoutingTrace
  /// The tokens that are drawn from.
  public let tokens: Range<Int>
  public let seed: UInt64

  /// Judged tokens of the sequence of each judged token.
  private let sequences: [Range<Int>]

  public var name: String { trace.name }
  public var expertCount: Int { trace.expertCount }
  public var topK: Int { trace.topK }

  /// - Precondition: `tokens` is not empty and lies in the trace.
  public init(trace: RoutingTrace, tokens: Range<Int>, seed: UInt64) {
    precondition(
      !tokens.isEmpty && tokens.lowerBound >= 0 && tokens.upperBound <= trace.tokenCount,
      "tokens \(tokens) of a trace of \(trace.tokenCount)")
    self.trace = trace
    self.tokens = tokens
    self.seed = seed
    var first = 0
    sequences = trace.sequenceLengths.compactMap { length in
      defer { first += length }
      let judged = (first..<first + length).clamped(to: tokens)
      return judged.isEmpty ? nil : judged
    }
  }

  public func hasLayer(_ layer: Int) -> Bool { trace.layers.contains(layer) }

  /// The trace's token at a position of a step.
  public func token(step: Int, position: Int) -> Int {
    let (run, offset) = position.quotientAndRemainder(dividingBy: Self.runLength)
    let bits = CounterRandom(seed: seed, 0x5E_0A, UInt64(step)).bits(at: UInt64(run))
    let start = tokens.lowerBound + Int(bits % UInt64(tokens.count))
    let sequence = self.sequence(of: start)
    return sequence.lowerBound + (start - sequence.lowerBound + offset) % sequence.count
  }

  /// The judged part of a token's sequence.
  private func sequence(of token: Int) -> Range<Int> {
    var (low, high) = (0, sequences.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if sequences[middle].upperBound <= token { low = middle + 1 } else { high = middle }
    }
    return sequences[low]
  }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    let layerRow = trace.layers.firstIndex(of: layer)!
    let (layerCount, topK) = (trace.layerCount, trace.topK)
    for row in 0..<positions.count {
      let token = self.token(step: step, position: Int(positions[row]))
      let start = (token * layerCount + layerRow) * topK
      for choice in 0..<topK {
        decision.expertIndices[row * topK + choice] = trace.expertIndices[start + choice]
        decision.routingWeights[row * topK + choice] = trace.routingWeights[start + choice]
      }
    }
  }
}
