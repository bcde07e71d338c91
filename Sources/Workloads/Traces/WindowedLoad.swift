// SPDX-License-Identifier: Apache-2.0
// epsim: the load of each expert in each part of a trace, and how it drifts.

internal import MoE

/// Assignments per part, layer and expert; token t of T belongs to part floor(t W / T).
public struct WindowedLoad: Sendable {
  /// The most counters that are kept.
  static let maximumCounters = 1 << 27

  /// W, the parts that the tokens are divided into.
  public let windowCount: Int
  /// L and E.
  public let layerCount: Int
  public let expertCount: Int
  private let topK: Int
  private let tokenCount: Int
  /// [W, L, E]
  private var counts: [Int]

  /// Zeros.
  ///
  /// - Throws: ``InputError`` when the parts are not 1 to T, or too many to count.
  public init(shape: TraceShape, windowCount: Int) throws {
    let accepted = min(shape.tokenCount, 1000)
    guard (1...accepted).contains(windowCount) else {
      throw InputError(
        "\(shape.name): \(windowCount) windows of \(shape.tokenCount) tokens, accepted are 1 to "
          + "\(accepted)")
    }
    guard shape.layerCount * shape.expertCount <= Self.maximumCounters / windowCount else {
      throw InputError(
        "\(shape.name): \(windowCount) windows x \(shape.layerCount) layers x "
          + "\(shape.expertCount) experts are too many to count, accepted are "
          + "\(Self.maximumCounters) together")
    }
    self.windowCount = windowCount
    layerCount = shape.layerCount
    expertCount = shape.expertCount
    topK = shape.topK
    tokenCount = shape.tokenCount
    counts = Array(repeating: 0, count: windowCount * layerCount * expertCount)
  }

  /// Counts a window of the trace whose first token has this number.
  public mutating func add(_ window: RoutingTrace, firstToken: Int) {
    let (layers, experts, topK) = (layerCount, expertCount, topK)
    window.expertIndices.withUnsafeBufferPointer { ids in
      counts.withUnsafeMutableBufferPointer { counts in
        var index = 0
        for token in firstToken..<firstToken + window.tokenCount {
          let part = Int(
            tokenCount.dividingFullWidth(token.multipliedFullWidth(by: windowCount)).quotient)
          for layer in 0..<layers {
            let row = (part * layers + layer) * experts
            for _ in 0..<topK {
              counts[row + Int(ids[index])] += 1
              index += 1
            }
          }
        }
      }
    }
  }

  /// Tokens of a part.
  public func tokens(inWindow window: Int) -> Int {
    // The first token t with floor(t W / T) = w is ceil(w T / W).
    func start(_ window: Int) -> Int {
      let (quotient, remainder) = windowCount.dividingFullWidth(
        window.multipliedFullWidth(by: tokenCount))
      return quotient + (remainder > 0 ? 1 : 0)
    }
    return start(window + 1) - start(window)
  }

  /// [E] assignments of a layer in a part; layers count from the first recorded one.
  public func row(window: Int, layer: Int) -> ArraySlice<Int> {
    let start = (window * layerCount + layer) * expertCount
    return counts[start..<start + expertCount]
  }

  /// [E] assignments of a layer in all parts.
  public func total(layer: Int) -> [Int] {
    var total = Array(repeating: 0, count: expertCount)
    for window in 0..<windowCount {
      for (expert, count) in row(window: window, layer: layer).enumerated() {
        total[expert] += count
      }
    }
    return total
  }

  /// How far the loads of two parts are apart, and how far chance alone would put them.
  public struct Distance: Sendable, Equatable {
    /// Total variation distance of the expert shares, 0 to 1: the share of assignments that would
    /// have to go to other experts; mean over layers.
    public var measured: Double
    /// Its expectation if both parts drew their tokens independently from one distribution.
    public var noise: Double
  }

  /// Compares two parts, over all layers.
  ///
  /// Noise: if chance alone dealt the tokens to the parts, an expert's c tokens would fall into the
  /// first part of n of all n + m tokens by a hypergeometric law, whose mean deviation is taken as
  /// that of the binomial law, corrected for drawing without replacement by
  /// sqrt((n + m - c) / (n + m - 1)).
  public func distance(_ first: Int, _ second: Int) -> Distance {
    let (n, m) = (Double(tokens(inWindow: first)), Double(tokens(inWindow: second)))
    let k = Double(topK)
    var distance = Distance(measured: 0, noise: 0)
    for layer in 0..<layerCount {
      for (a, b) in zip(row(window: first, layer: layer), row(window: second, layer: layer)) {
        distance.measured += abs(Double(a) / (n * k) - Double(b) / (m * k)) / 2
        let correction = (max(n + m - Double(a + b), 0) / max(n + m - 1, 1)).squareRoot()
        let deviation = Self.meanDeviation(count: a + b, probability: n / (n + m))
        distance.noise += deviation * correction * (1 / n + 1 / m) / k / 2
      }
    }
    distance.measured /= Double(layerCount)
    distance.noise /= Double(layerCount)
    return distance
  }

  /// Mean absolute deviation of a binomial number, 2 (k + 1) C(c, k + 1) p^(k + 1) (1 - p)^(c - k)
  /// with k = floor(c p) (De Moivre); for large counts that of the normal law.
  private static func meanDeviation(count: Int, probability p: Double) -> Double {
    guard count <= 64 else {
      return (Double(count) * p * (1 - p) * 2 / .pi).squareRoot()
    }
    let k = Int(Double(count) * p)
    guard k < count else { return 0 }
    var deviation = 2 * Double(k + 1)
    for index in 1...k + 1 { deviation *= Double(count - k - 1 + index) / Double(index) * p }
    for _ in 0..<count - k { deviation *= 1 - p }
    return deviation
  }
}
