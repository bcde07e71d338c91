// SPDX-License-Identifier: Apache-2.0
// epsim: what every trace can do, wherever its tokens come from.

internal import MoE

/// A trace whose tokens are asked for window by window: a file, a selection, a generator.
///
/// What reads, counts or writes traces goes through windows, so that none has to fit into memory.
public protocol TraceSource: Sendable {
  /// Sizes, numbering and origin.
  var shape: TraceShape { get }
  /// Tokens of each sequence; sequences follow each other and add up to T.
  var sequenceLengths: [Int] { get }

  /// The routing of some tokens, checked. A sequence that reaches over the borders is cut there.
  ///
  /// - Throws: ``InputError`` when one of their values is not valid.
  /// - Precondition: the window is not empty and lies in the trace.
  func window(_ tokens: Range<Int>) throws -> RoutingTrace
}

extension TraceSource {
  /// Visits all tokens in order, in windows that hold about a million assignments.
  ///
  /// - Parameter windowSize: tokens of a window; chosen by the shape where nil.
  public func forEachWindow(
    of windowSize: Int? = nil, _ body: (Range<Int>, RoutingTrace) throws -> Void
  ) throws {
    let size = max(windowSize ?? 1_048_576 / shape.assignmentsPerToken, 1)
    for start in stride(from: 0, to: shape.tokenCount, by: size) {
      let tokens = start..<min(start + size, shape.tokenCount)
      try body(tokens, try window(tokens))
    }
  }

  /// Visits whole sequences in order, those of more tokens than `limit` in several parts.
  func forEachSequence(
    limit: Int = 65_536, _ body: (RoutingTrace) throws -> Void
  ) throws {
    var start = 0
    for length in sequenceLengths {
      for part in stride(from: start, to: start + length, by: limit) {
        try body(try window(part..<min(part + limit, start + length)))
      }
      start += length
    }
  }
}

/// Sizes, numbering and origin of a trace: all but the routing itself.
public struct TraceShape: Sendable, Equatable {
  /// What error sentences and tables call the trace.
  public let name: String
  /// Model, domain, source and licence.
  public let origin: RoutingTrace.Origin
  /// E, the routed experts of a layer.
  public let expertCount: Int
  /// K, the experts that each token chose.
  public let topK: Int
  /// [L] recorded layers in the model's numbering, ascending; models may have layers without experts
  /// in between.
  public let layers: [Int]
  /// T, the tokens.
  public let tokenCount: Int
  /// Whether weights were recorded; without them every choice has 1/K.
  public let hasWeights: Bool

  /// L, the recorded layers.
  public var layerCount: Int { layers.count }
  /// Choices of a token in all layers, L K.
  public var assignmentsPerToken: Int { layerCount * topK }

  /// Checks everything but the number of tokens.
  ///
  /// - Throws: ``InputError`` that names the size and what is accepted.
  init(
    name: String, origin: RoutingTrace.Origin, expertCount: Int, topK: Int, layerCount: Int,
    firstLayer: Int, tokenCount: Int, hasWeights: Bool
  ) throws {
    let maximum = RoutingTrace.maximumExpertCount
    guard (1...maximum).contains(layerCount), (0...maximum).contains(firstLayer) else {
      throw InputError(
        "\(name): \(layerCount) layers from layer \(firstLayer) on, accepted are "
          + "1...\(maximum) from 0...\(maximum) on")
    }
    try self.init(
      name: name, origin: origin, expertCount: expertCount, topK: topK,
      layers: Array(firstLayer..<firstLayer + layerCount), tokenCount: tokenCount,
      hasWeights: hasWeights)
  }

  /// The same for layers that need not be consecutive.
  init(
    name: String, origin: RoutingTrace.Origin, expertCount: Int, topK: Int, layers: [Int],
    tokenCount: Int, hasWeights: Bool
  ) throws {
    let maximum = RoutingTrace.maximumExpertCount
    guard (1...maximum).contains(expertCount) else {
      throw InputError("\(name): \(expertCount) experts, accepted are 1...\(maximum)")
    }
    guard topK >= 1, topK <= expertCount else {
      throw InputError(
        "\(name): top-k \(topK) of \(expertCount) experts, accepted are "
          + "1...\(expertCount)")
    }
    guard (1...maximum).contains(layers.count),
      layers.allSatisfy({ (0...2 * maximum).contains($0) }),
      zip(layers, layers.dropFirst()).allSatisfy({ $0 < $1 })
    else {
      throw InputError(
        "\(name): layers \(layers.prefix(8))..., accepted are 1 to \(maximum) ascending numbers "
          + "from 0 on")
    }
    self.name = name
    self.origin = origin
    self.expertCount = expertCount
    self.topK = topK
    self.layers = layers
    self.tokenCount = tokenCount
    self.hasWeights = hasWeights
  }

  /// The shape of a trace in memory.
  init(of trace: RoutingTrace) {
    name = trace.name
    origin = trace.origin
    expertCount = trace.expertCount
    topK = trace.topK
    layers = trace.layers
    tokenCount = trace.tokenCount
    hasWeights = true
  }

  /// The same with another number of tokens.
  func with(tokenCount: Int) -> TraceShape {
    TraceShape(copying: self, tokenCount: tokenCount)
  }

  private init(copying shape: TraceShape, tokenCount: Int) {
    name = shape.name
    origin = shape.origin
    expertCount = shape.expertCount
    topK = shape.topK
    layers = shape.layers
    self.tokenCount = tokenCount
    hasWeights = shape.hasWeights
  }
}

/// Lengths of the sequences, or their parts, that lie in a range of tokens.
struct SequenceIndex: Sendable {
  /// [samples] the token after the last of each sequence.
  private let ends: [Int]

  init(lengths: [Int]) {
    var end = 0
    ends = lengths.map { length in
      end += length
      return end
    }
  }

  /// Tokens of each sequence.
  var lengths: [Int] {
    var start = 0
    return ends.map { end in
      defer { start = end }
      return end - start
    }
  }

  /// The token after the last of a sequence.
  func end(of sequence: Int) -> Int { ends[sequence] }

  /// The sequence that a token belongs to.
  func sequence(of token: Int) -> Int {
    var range = 0..<ends.count
    while !range.isEmpty {
      let middle = (range.lowerBound + range.upperBound) / 2
      range =
        ends[middle] <= token ? middle + 1..<range.upperBound : range.lowerBound..<middle
    }
    return range.lowerBound
  }

  /// The lengths within a window; sequences are cut at its borders.
  func lengths(in tokens: Range<Int>) -> [Int] {
    var lengths: [Int] = []
    var (start, sequence) = (tokens.lowerBound, sequence(of: tokens.lowerBound))
    while start < tokens.upperBound {
      let end = min(ends[sequence], tokens.upperBound)
      lengths.append(end - start)
      start = end
      sequence += 1
    }
    return lengths
  }
}
