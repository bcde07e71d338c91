// SPDX-License-Identifier: Apache-2.0
// epsim: everything that is counted about a trace, in one pass over its windows.

internal import MoE

/// Loads by layer and part, pairs of experts, ranks per token, sums of weights.
public struct TraceStatistics: Sendable {
  /// Sizes, numbering and origin of the trace.
  public let shape: TraceShape
  /// Its sequences.
  public let sequenceCount: Int
  /// Load of each expert by layer and part.
  public private(set) var load: WindowedLoad
  /// Distinct ranks per token.
  public private(set) var fanOut: ContiguousFanOut
  /// [L] mean over tokens of the sum of a token's weights.
  public private(set) var meanWeightSums: [Double]

  /// Counts a whole trace without holding it.
  ///
  /// - Parameter windowCount: parts for the drift.
  /// - Throws: ``InputError`` when the trace holds invalid values.
  public init(_ source: any TraceSource, windowCount: Int) throws {
    shape = source.shape
    sequenceCount = source.sequenceLengths.count
    var load = try WindowedLoad(shape: shape, windowCount: windowCount)
    var fanOut = ContiguousFanOut(shape: shape)
    var sums = Array(repeating: 0.0, count: shape.layerCount)
    let (layers, topK) = (shape.layerCount, shape.topK)
    try source.forEachWindow { tokens, window in
      load.add(window, firstToken: tokens.lowerBound)
      fanOut.add(window)
      window.routingWeights.withUnsafeBufferPointer { weights in
        for row in 0..<window.tokenCount * layers {
          var sum: Float = 0
          for index in row * topK..<(row + 1) * topK { sum += weights[index] }
          sums[row % layers] += Double(sum)
        }
      }
    }
    self.load = load
    self.fanOut = fanOut
    meanWeightSums = sums.map { $0 / Double(source.shape.tokenCount) }
  }

  /// Largest over mean load of the experts of a layer, counted from the first recorded one.
  public func maxOverMean(layer: Int) -> Double {
    let mean = Double(shape.tokenCount) * Double(shape.topK) / Double(shape.expertCount)
    return Double(load.total(layer: layer).max() ?? 0) / mean
  }

  /// The layer with the largest ``maxOverMean(layer:)``.
  public var mostUnequalLayer: Int {
    (0..<shape.layerCount).max { maxOverMean(layer: $0) < maxOverMean(layer: $1) }!
  }

  /// Counts the pairs of a layer, in a pass of its own.
  public static func coActivation(of source: any TraceSource, layer: Int) throws -> CoActivation {
    var pairs = try CoActivation(shape: source.shape, layer: layer)
    try source.forEachWindow { _, window in pairs.add(window) }
    return pairs
  }
}
