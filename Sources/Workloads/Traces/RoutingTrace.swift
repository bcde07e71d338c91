// SPDX-License-Identifier: Apache-2.0
// epsim: which experts a real model chose for every token of a text, layer by layer.

internal import MoE

/// A recorded routing: for every token and MoE layer the chosen experts and their weights.
///
/// Shapes: `expertIndices` and `routingWeights` are [T, L, K], row-major, in the router's order.
/// A value of this type is valid: ids in `0 ..< expertCount`, K distinct ids per token and layer,
/// weights finite and not negative, sequence lengths adding up to T.
public struct RoutingTrace: Sendable, Equatable {
  /// The most experts per layer that are accepted.
  public static let maximumExpertCount = 65_536

  /// What a trace is about, apart from the numbers.
  public struct Origin: Sendable, Equatable {
    /// Name of the model, as in the presets.
    public var model: String
    /// Kind of text.
    public var domain: String
    /// Where the data comes from.
    public var source: String
    /// Licence of the data.
    public var license: String

    public init(model: String, domain: String, source: String, license: String) {
      self.model = model
      self.domain = domain
      self.source = source
      self.license = license
    }
  }

  /// What error sentences and tables call this trace.
  public let name: String
  /// Model, domain, source and licence.
  public let origin: Origin
  /// E, the routed experts of a layer.
  public let expertCount: Int
  /// K, the experts that each token chose.
  public let topK: Int
  /// [L] recorded layers in the model's numbering, ascending.
  public let layers: [Int]
  /// T, the tokens.
  public let tokenCount: Int
  /// Tokens of each sequence; sequences follow each other.
  public let sequenceLengths: [Int]
  /// [T] index of the sequence that each token belongs to.
  public let sequenceOfToken: [Int32]
  /// [T, L, K] chosen experts.
  public let expertIndices: [Int32]
  /// [T, L, K] weight of each choice as the model uses it.
  public let routingWeights: [Float]

  /// L, the recorded layers.
  public var layerCount: Int { layers.count }

  /// Checks and keeps a recording.
  ///
  /// - Parameters:
  ///   - sequenceLengths: nil means one sequence.
  ///   - expertIndices: [T, L, K].
  ///   - routingWeights: [T, L, K]; nil means 1/K for every choice.
  /// - Throws: ``InputError`` that names the token, layer, value and accepted range.
  public init(
    name: String, origin: Origin, expertCount: Int, topK: Int, layerCount: Int, firstLayer: Int,
    sequenceLengths: [Int]? = nil, expertIndices: [Int32], routingWeights: [Float]? = nil
  ) throws {
    try self.init(
      shape: TraceShape(
        name: name, origin: origin, expertCount: expertCount, topK: topK, layerCount: layerCount,
        firstLayer: firstLayer, tokenCount: 0, hasWeights: routingWeights != nil),
      sequenceLengths: sequenceLengths, expertIndices: expertIndices,
      routingWeights: routingWeights, place: TracePlace())
  }

  /// The same for a window of a file.
  ///
  /// - Parameters:
  ///   - shape: its number of tokens is not looked at.
  ///   - place: where the values come from, for the error sentences.
  init(
    shape: TraceShape, sequenceLengths: [Int]?, expertIndices: [Int32], routingWeights: [Float]?,
    place: TracePlace
  ) throws {
    let perToken = shape.assignmentsPerToken
    guard !expertIndices.isEmpty, expertIndices.count.isMultiple(of: perToken) else {
      throw InputError(
        "\(shape.name): \(expertIndices.count) expert ids, needed are \(perToken) for each token "
          + "and at least one token")
    }
    let tokenCount = expertIndices.count / perToken
    if let routingWeights, routingWeights.count != expertIndices.count {
      throw InputError(
        "\(shape.name): \(routingWeights.count) weights for \(expertIndices.count) expert ids, the "
          + "two must be equal")
    }
    name = shape.name
    origin = shape.origin
    expertCount = shape.expertCount
    topK = shape.topK
    layers = shape.layers
    self.tokenCount = tokenCount
    self.expertIndices = expertIndices
    self.routingWeights =
      routingWeights ?? Array(repeating: 1 / Float(shape.topK), count: expertIndices.count)
    self.sequenceLengths = sequenceLengths ?? [tokenCount]
    try Self.checkSequences(self.sequenceLengths, tokenCount: tokenCount, name: name)
    sequenceOfToken = self.sequenceLengths.enumerated().flatMap { index, length in
      repeatElement(Int32(index), count: length)
    }
    try checkExperts(shape, place: place)
    try checkWeights(shape, place: place)
  }

  /// Checks that sequences are not empty and add up to all tokens.
  static func checkSequences(_ lengths: [Int], tokenCount: Int, name: String) throws {
    var left = tokenCount
    for (index, length) in lengths.enumerated() {
      guard length >= 1, length <= left else {
        throw InputError(
          "\(name): sequence \(index) has length \(length), accepted are 1...\(left) because "
            + "\(left) of \(tokenCount) tokens are left")
      }
      left -= length
    }
    guard left == 0 else {
      throw InputError(
        "\(name): the sequences have \(tokenCount - left) tokens together, the trace has "
          + "\(tokenCount)")
    }
  }

  private func checkExperts(_ shape: TraceShape, place: TracePlace) throws {
    // The row in which each expert was seen last: one comparison per id, whatever K is.
    var lastRow = Array(repeating: -1, count: expertCount)
    var bad = -1
    expertIndices.withUnsafeBufferPointer { ids in
      lastRow.withUnsafeMutableBufferPointer { lastRow in
        let experts = UInt32(lastRow.count)
        var index = 0
        for row in 0..<ids.count / topK {
          for _ in 0..<topK {
            let expert = ids[index]
            guard UInt32(bitPattern: expert) < experts, lastRow[Int(expert)] != row else {
              bad = index
              return
            }
            lastRow[Int(expert)] = row
            index += 1
          }
        }
      }
    }
    guard bad < 0 else {
      let expert = expertIndices[bad]
      guard expert >= 0, expert < expertCount else {
        throw InputError(
          "\(name): expert id \(expert) at \(place.ofID(bad, in: shape)), accepted are "
            + "0...\(expertCount - 1)")
      }
      throw InputError(
        "\(name): expert id \(expert) at \(place.ofID(bad, in: shape)) stands twice in its row, "
          + "accepted are \(topK) distinct ids")
    }
  }

  private func checkWeights(_ shape: TraceShape, place: TracePlace) throws {
    let bad = routingWeights.withUnsafeBufferPointer { weights in
      // Written so that NaN fails the test.
      weights.firstIndex { !($0 >= 0 && $0 < .infinity) }
    }
    if let bad {
      throw InputError(
        "\(name): weight \(routingWeights[bad]) at \(place.ofWeight(bad, in: shape)), accepted are "
          + "finite numbers of at least 0")
    }
  }
}

extension RoutingTrace: TraceSource {
  public var shape: TraceShape { TraceShape(of: self) }

  /// Counted by the tokens, so that going through all sequences does not search them each time.
  private func sequenceLengths(in tokens: Range<Int>) -> [Int] {
    var lengths: [Int] = []
    var last: Int32 = -1
    for sequence in sequenceOfToken[tokens] {
      if sequence != last { lengths.append(0) }
      lengths[lengths.count - 1] += 1
      last = sequence
    }
    return lengths
  }

  public func window(_ tokens: Range<Int>) throws -> RoutingTrace {
    precondition(
      !tokens.isEmpty && tokens.lowerBound >= 0 && tokens.upperBound <= tokenCount,
      "window \(tokens) of a trace of \(tokenCount) tokens")
    if tokens == 0..<tokenCount { return self }
    let perToken = layerCount * topK
    let range = tokens.lowerBound * perToken..<tokens.upperBound * perToken
    return try RoutingTrace(
      shape: shape, sequenceLengths: sequenceLengths(in: tokens),
      expertIndices: Array(expertIndices[range]), routingWeights: Array(routingWeights[range]),
      place: TracePlace(firstToken: tokens.lowerBound))
  }
}
