// SPDX-License-Identifier: Apache-2.0
// epsim: how many assignments each expert of each layer got.

internal import MoE

/// Assignments (token, choice) per layer and expert: what placements are fitted to.
public struct LoadHistogram: Sendable, Equatable {
  /// The largest count accepted from a file; sums over experts and layers cannot overflow.
  public static let maximumCount = 1_000_000_000_000

  /// Layers in the model's numbering, one per row, in ascending order.
  public let layers: [Int]
  /// E, the columns.
  public let expertCount: Int
  /// [rows, E], row-major.
  public private(set) var counts: [Int]

  /// A histogram of zeros: the shape alone, for placements that look at no load.
  /// - Precondition: layers ascend; at least one expert.
  public init(layers: [Int], expertCount: Int) {
    precondition(
      zip(layers, layers.dropFirst()).allSatisfy { $0 < $1 }, "layers \(layers) do not ascend")
    precondition(expertCount >= 1, "\(expertCount) experts")
    self.layers = layers
    self.expertCount = expertCount
    counts = Array(repeating: 0, count: layers.count * expertCount)
  }

  /// The given counts. Shape: `rows` [layers][E].
  /// - Precondition: this shape, counts from 0 to the largest accepted.
  public init(layers: [Int], rows: [[Int]]) {
    self.init(layers: layers, expertCount: rows.first?.count ?? 0)
    counts = rows.flatMap { $0 }
    precondition(
      counts.count == layers.count * expertCount
        && counts.allSatisfy { 0...Self.maximumCount ~= $0 },
      "\(counts.count) counts for \(layers.count) layers of \(expertCount) experts")
  }

  /// The sum of histograms of the same layers and experts; there is at least one.
  public init(layers: [Int], sum histograms: [LoadHistogram]) {
    self.init(layers: layers, expertCount: histograms[0].expertCount)
    for histogram in histograms {
      precondition(histogram.counts.count == counts.count, "histograms of other shapes")
      for index in counts.indices { counts[index] += histogram.counts[index] }
    }
  }

  /// Counts the choices of a token range of a trace, in all its layers.
  public init(trace: RoutingTrace, tokens: Range<Int>) {
    precondition(
      tokens.lowerBound >= 0 && tokens.upperBound <= trace.tokenCount,
      "tokens \(tokens) of a trace of \(trace.tokenCount)")
    self.init(layers: trace.layers, expertCount: trace.expertCount)
    let (experts, layerCount, topK) = (expertCount, trace.layerCount, trace.topK)
    counts.withUnsafeMutableBufferPointer { counts in
      trace.expertIndices.withUnsafeBufferPointer { indices in
        var index = tokens.lowerBound * layerCount * topK
        for _ in tokens {
          for layer in 0..<layerCount {
            for _ in 0..<topK {
              counts[layer * experts + Int(indices[index])] += 1
              index += 1
            }
          }
        }
      }
    }
  }

  /// Counts what a source routes in some steps of T tokens each.
  /// - Precondition: the source has every layer.
  public init(source: any RoutingSource, layers: [Int], steps: Range<Int>, windowSize: Int) {
    self.init(layers: layers, expertCount: source.expertCount)
    let positions = (0..<Int32(windowSize)).map { $0 }
    var decision = RoutingDecision(tokenCount: windowSize, topK: source.topK)
    for (row, layer) in layers.enumerated() {
      for step in steps {
        source.route(layer: layer, step: step, positions: positions.span, into: &decision)
        for expert in decision.expertIndices where expert != RoutingDecision.dropped {
          counts[row * expertCount + Int(expert)] += 1
        }
      }
    }
  }

  /// The counts of one row, [E].
  public func row(_ row: Int) -> ArraySlice<Int> {
    counts[row * expertCount..<(row + 1) * expertCount]
  }

  /// The row of a layer in the model's numbering, nil where there is none.
  public func row(ofLayer layer: Int) -> Int? { layers.firstIndex(of: layer) }

  /// The rows of some layers only.
  ///
  /// - Throws: ``InputError`` that names a layer which is not there.
  public func selecting(layers wanted: [Int]) throws -> LoadHistogram {
    var selected = LoadHistogram(layers: wanted, expertCount: expertCount)
    for (target, layer) in wanted.enumerated() {
      guard let row = row(ofLayer: layer) else {
        throw InputError("the load has no layer \(layer), it has \(layers.map(String.init))")
      }
      selected.counts.replaceSubrange(
        target * expertCount..<(target + 1) * expertCount, with: self.row(row))
    }
    return selected
  }
}
