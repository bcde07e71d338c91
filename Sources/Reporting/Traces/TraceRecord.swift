// SPDX-License-Identifier: Apache-2.0
// epsim: the figures of a trace, as `trace inspect` prints them.

public import Workloads

/// What a trace holds and does, in figures.
public struct TraceRecord: Encodable, Sendable {
  /// One recorded layer.
  public struct Layer: Encodable, Sendable {
    /// In the model's numbering.
    public let layer: Int
    /// Largest over mean load of its experts.
    public let maxOverMean: Double
    /// Experts without an assignment.
    public let unusedExperts: Int
    /// The expert with the largest load, the lowest of several.
    public let busiestExpert: Int
    /// Mean over tokens of the sum of a token's weights.
    public let meanWeightSum: Double
    /// [E] assignments.
    public let load: [Int]
    /// Mean distinct ranks per token, in the order of the trace's fan-out.
    public let fanOut: [Double]
  }

  /// Distinct ranks per token and layer, experts placed contiguously.
  public struct FanOut: Encodable, Sendable {
    public let ranks: Int
    /// Mean over tokens and layers.
    public let mean: Double
    /// The same where every set of K experts is equally likely.
    public let uniform: Double
  }

  /// Experts of one layer that are chosen together.
  public struct CoActivation: Encodable, Sendable {
    public struct Pair: Encodable, Sendable {
      public let experts: [Int]
      public let tokens: Int
      public let lift: Double
    }

    /// In the model's numbering.
    public let layer: Int
    /// Pairs that chance gives often enough to be judged.
    public let pairs: Int
    public let meanLift: Double
    public let maxLift: Double
    /// By falling lift.
    public let strongest: [Pair]
  }

  /// Load of a part of the trace against others: total variation distance, mean over layers.
  public struct Window: Encodable, Sendable {
    public let window: Int
    public let tokens: Int
    /// To the window before; nil for the first.
    public let toPrevious: Double?
    /// What chance alone gives.
    public let noiseToPrevious: Double?
    /// To the first window; nil for the first.
    public let toFirst: Double?
    public let noiseToFirst: Double?
  }

  public let name: String
  public let model: String
  public let domain: String
  public let source: String
  public let license: String
  public let tokens: Int
  public let sequences: Int
  public let experts: Int
  public let topK: Int
  public let firstLayer: Int
  /// False where the trace has no weights and 1/K stands for them.
  public let hasWeights: Bool
  public let layers: [Layer]
  public let fanOut: [FanOut]
  /// Nil where a token has one expert, or there are too many experts for pairs.
  public let coActivation: CoActivation?
  public let drift: [Window]

  /// The pairs that are listed.
  static let strongestPairs = 10

  /// - Parameter pairs: those of the layer to look at; nil where there are none.
  public init(_ statistics: TraceStatistics, pairs: Workloads.CoActivation?) {
    let shape = statistics.shape
    name = shape.name
    model = shape.origin.model
    domain = shape.origin.domain
    source = shape.origin.source
    license = shape.origin.license
    tokens = shape.tokenCount
    sequences = statistics.sequenceCount
    experts = shape.expertCount
    topK = shape.topK
    firstLayer = shape.layers[0]
    hasWeights = shape.hasWeights
    let rankCounts = statistics.fanOut.rankCounts
    layers = shape.layers.enumerated().map { row, layer in
      let load = statistics.load.total(layer: row)
      let largest = load.max() ?? 0
      return Layer(
        layer: layer, maxOverMean: statistics.maxOverMean(layer: row),
        unusedExperts: load.count { $0 == 0 }, busiestExpert: load.firstIndex(of: largest) ?? 0,
        meanWeightSum: statistics.meanWeightSums[row], load: load,
        fanOut: rankCounts.map { statistics.fanOut.mean(rankCount: $0, layer: row) })
    }
    fanOut = rankCounts.map { ranks in
      FanOut(
        ranks: ranks, mean: statistics.fanOut.mean(rankCount: ranks),
        uniform: ContiguousFanOut.uniform(
          expertCount: shape.expertCount, topK: shape.topK, rankCount: ranks))
    }
    coActivation = pairs.flatMap { CoActivation($0, layers: shape.layers) }
    let load = statistics.load
    drift = (0..<load.windowCount).map { window in
      let previous = window > 0 ? load.distance(window - 1, window) : nil
      let first = window > 0 ? load.distance(0, window) : nil
      return Window(
        window: window, tokens: load.tokens(inWindow: window), toPrevious: previous?.measured,
        noiseToPrevious: previous?.noise, toFirst: first?.measured, noiseToFirst: first?.noise)
    }
  }
}

extension TraceRecord.CoActivation {
  /// Nil where no pair can be judged.
  init?(_ counts: Workloads.CoActivation, layers: [Int]) {
    let pairs = counts.pairs()
    guard let strongest = pairs.first else { return nil }
    layer = layers[counts.layer]
    self.pairs = pairs.count
    meanLift = pairs.reduce(0) { $0 + $1.lift } / Double(pairs.count)
    maxLift = strongest.lift
    self.strongest = pairs.prefix(TraceRecord.strongestPairs).map {
      Pair(experts: [$0.first, $0.second], tokens: $0.tokens, lift: $0.lift)
    }
  }
}
