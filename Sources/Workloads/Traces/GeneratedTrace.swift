// SPDX-License-Identifier: Apache-2.0
// epsim: what a generator routes, as a trace.

internal import MoE

/// Tokens of a workload's first step, made window by window.
public struct GeneratedTrace: TraceSource {
  public let shape: TraceShape
  private let source: any RoutingSource

  /// Position p of step 0 becomes token p; all tokens are one sequence.
  ///
  /// - Parameters:
  ///   - layers: in the model's numbering, ascending.
  /// - Throws: ``InputError`` when there are no tokens or too many, or a layer is not routed.
  public init(
    _ source: any RoutingSource, origin: RoutingTrace.Origin, layers: [Int], tokenCount: Int
  ) throws {
    guard (1...Int(Int32.max)).contains(tokenCount) else {
      throw InputError("\(tokenCount) tokens, accepted are 1 to \(Int32.max)")
    }
    if let layer = layers.first(where: { !source.hasLayer($0) }) {
      throw InputError("workload \(source.name) does not route layer \(layer)")
    }
    self.source = source
    shape = try TraceShape(
      name: source.name, origin: origin, expertCount: source.expertCount, topK: source.topK,
      layers: layers, tokenCount: tokenCount, hasWeights: true)
  }

  public var sequenceLengths: [Int] { [shape.tokenCount] }

  public func window(_ tokens: Range<Int>) throws -> RoutingTrace {
    precondition(
      !tokens.isEmpty && tokens.lowerBound >= 0 && tokens.upperBound <= shape.tokenCount,
      "window \(tokens) of a trace of \(shape.tokenCount) tokens")
    let (topK, perToken) = (shape.topK, shape.assignmentsPerToken)
    let positions = tokens.map { Int32($0) }
    var ids = [Int32](repeating: 0, count: tokens.count * perToken)
    var weights = [Float](repeating: 0, count: ids.count)
    var decision = RoutingDecision(tokenCount: tokens.count, topK: topK)
    for (row, layer) in shape.layers.enumerated() {
      source.route(layer: layer, step: 0, positions: positions.span, into: &decision)
      for token in 0..<tokens.count {
        let target = token * perToken + row * topK
        for slot in 0..<topK {
          ids[target + slot] = decision.expertIndices[token * topK + slot]
          weights[target + slot] = decision.routingWeights[token * topK + slot]
        }
      }
    }
    return try RoutingTrace(
      shape: shape, sequenceLengths: nil, expertIndices: ids, routingWeights: weights,
      place: TracePlace(firstToken: tokens.lowerBound))
  }
}
