// SPDX-License-Identifier: Apache-2.0
// epsim: steps cut out of a recorded trace.

public import MoE

/// Routes each step by the next window of a trace.
///
/// Position p of step i is token `tokens.lowerBound + (i T + p) mod tokens.count`: windows follow
/// each other and wrap around at the end of the judged tokens. Where T exceeds their number, a
/// window holds some of them more than once.
public struct TraceWorkload: RoutingSource {
  /// The recording.
  public let trace: RoutingTrace
  /// The tokens that steps are cut from.
  public let tokens: Range<Int>
  /// T, tokens per step over all ranks.
  public let windowSize: Int

  public var name: String { trace.name }
  public var expertCount: Int { trace.expertCount }
  public var topK: Int { trace.topK }

  /// - Precondition: `tokens` is not empty and lies in the trace; `windowSize` is positive.
  public init(trace: RoutingTrace, tokens: Range<Int>, windowSize: Int) {
    precondition(
      !tokens.isEmpty && tokens.lowerBound >= 0 && tokens.upperBound <= trace.tokenCount,
      "tokens \(tokens) of a trace of \(trace.tokenCount)")
    precondition(windowSize > 0, "window of \(windowSize) tokens")
    self.trace = trace
    self.tokens = tokens
    self.windowSize = windowSize
  }

  public func hasLayer(_ layer: Int) -> Bool { trace.layers.contains(layer) }

  /// The trace's token at a position of a step.
  public func token(step: Int, position: Int) -> Int {
    tokens.lowerBound + (step * windowSize + position) % tokens.count
  }

  /// The trace's sequence at a position of a step.
  public func sequence(step: Int, position: Int) -> Int {
    Int(trace.sequenceOfToken[token(step: step, position: position)])
  }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    let layerRow = trace.layers.firstIndex(of: layer)!
    let (layerCount, topK) = (trace.layerCount, trace.topK)
    trace.expertIndices.withUnsafeBufferPointer { experts in
      decision.expertIndices.withUnsafeMutableBufferPointer { target in
        for row in 0..<positions.count {
          let token = self.token(step: step, position: Int(positions[row]))
          let start = (token * layerCount + layerRow) * topK
          for k in 0..<topK { target[row * topK + k] = experts[start + k] }
        }
      }
    }
    trace.routingWeights.withUnsafeBufferPointer { weights in
      decision.routingWeights.withUnsafeMutableBufferPointer { target in
        for row in 0..<positions.count {
          let token = self.token(step: step, position: Int(positions[row]))
          let start = (token * layerCount + layerRow) * topK
          for k in 0..<topK { target[row * topK + k] = weights[start + k] }
        }
      }
    }
  }
}
