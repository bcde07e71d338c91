// SPDX-License-Identifier: Apache-2.0
// epsim: what a run writes down about one case.

internal import CostModel
public import Placement
public import Timing

/// The results of one case as they stand in a record.
///
/// Times are microseconds per step: reduced over ranks first, median over steps last. Bytes and
/// copies are means per step over all ranks and layers.
public struct CaseRecord: Codable, Sendable {
  /// A median over steps with its samples.
  public struct Samples: Codable, Sendable {
    public var median: Double
    /// [low, high] of the 95 % order-statistic interval; nil below eight steps.
    @ExplicitNull public var ci95: [Double]? = nil
    public var samples: [Double]
  }
  /// A phase, summed over layers: the slowest rank and the mean rank.
  public struct PhaseTime: Codable, Sendable {
    public var max: Double
    public var mean: Double
  }
  /// An exchange, summed over layers, mean over ranks. `wait` and `transfer` need aligned clocks.
  public struct ExchangeTime: Codable, Sendable {
    public var total: Double
    @ExplicitNull public var wait: Double? = nil
    @ExplicitNull public var transfer: Double? = nil
    /// Bound on what clock errors may move between wait and transfer.
    @ExplicitNull public var error: Double? = nil
  }
  /// Where the mean rank's step goes; the four add up to 1.
  public struct Shares: Codable, Sendable {
    public var expert: Double
    @ExplicitNull public var transfer: Double? = nil
    @ExplicitNull public var wait: Double? = nil
    public var rest: Double
  }
  /// A figure of both directions.
  public struct BothWays: Codable, Sendable {
    public var dispatch: Double
    public var combine: Double

    /// Dispatch and combine together.
    public var both: Double { dispatch + combine }
  }
  /// Bytes of token rows, headers excluded.
  public struct Bytes: Codable, Sendable {
    public var logical: BothWays
    public var offRank: BothWays
    public var offNode: BothWays
  }
  /// Copies of token rows; the deduplicated ones are what other exchanges would send.
  public struct Copies: Codable, Sendable {
    public var logical: BothWays
    public var offRank: BothWays
    public var offRankRankDedup: BothWays
    public var offNode: BothWays
    public var offNodeRankDedup: BothWays
    public var offNodeNodeDedup: BothWays
  }
  /// Distinct destinations per token and layer, the own included.
  public struct FanOut: Codable, Sendable {
    public var ranks: Double
    public var nodes: Double
  }
  /// What capacity dropped, per step.
  public struct Dropped: Codable, Sendable {
    public var assignments: Double
    public var tokens: Double
  }
  /// What replicas cost.
  public struct Replicas: Codable, Sendable {
    /// Slots beyond one per expert, over all ranks and one layer.
    public var extraSlots: Int
    /// Memory of the extra slots over all ranks and layers that hold weights of their own.
    public var extraBytes: Int
    /// Slots whose expert their rank already holds, over all layers.
    public var useless: Int
  }
  /// Times of one layer: median over steps.
  public struct LayerTime: Codable, Sendable {
    /// The layer in the model's numbering.
    public var layer: Int
    /// The slowest rank's time for the layer.
    public var layerUs: Double
    public var expertMaxUs: Double
    public var expertMeanUs: Double
    public var loadMaxOverMean: Double
  }
  /// Times of one rank, summed over layers: median over steps.
  public struct RankTime: Codable, Sendable {
    public var expertUs: Double
    public var dispatchUs: Double
    public var combineUs: Double
    /// Rows that the rank's experts served per step, over all layers.
    public var rows: Double
  }
  /// How the case compares with the first one, step by step.
  public struct Ratio: Codable, Sendable {
    public var median: Double
    @ExplicitNull public var ci95: [Double]? = nil
    /// Whether the interval excludes 1; nil where there are too few steps.
    @ExplicitNull public var differs: Bool? = nil
  }

  public var name: String
  public var placement: String
  /// Whether the placement was fitted to a load.
  public var isFitted: Bool
  public var replicaChoice: String
  public var dedup = "none"
  public var transport = "alltoallv"
  public var wire: String
  public var combine = "exact"
  public var combineWire = "f32"
  public var chunks = 1
  public var capacity = "none"
  public var compute = "real"
  /// Block of interleaved cases; 0 where all cases fit together.
  public var block: Int
  public var stepUs: Samples
  @ExplicitNull public var ratioToFirst: Ratio? = nil
  public var phasesUs: [String: PhaseTime]
  /// The experts' phase and that of the shared experts together.
  public var expertTime: PhaseTime
  /// Every phase that is neither expert nor exchange, and other: mean over ranks.
  public var restUs: Double
  public var layers: [LayerTime]
  public var ranks: [RankTime]
  public var dispatchUs: ExchangeTime
  public var combineUs: ExchangeTime
  public var shares: Shares
  public var bytes: Bytes
  public var copies: Copies
  public var load: LoadSummary
  public var nodeLoad: LoadSummary
  public var fanOut: FanOut
  public var dropped: Dropped
  public var replicas: Replicas
  /// Hash of the first measured step's output, in hexadecimal.
  public var outputDigest: String
  @ExplicitNull public var referenceError: Double? = nil
  @ExplicitNull public var referenceTokens: Int? = nil
}

/// What a case record is made of.
public struct CaseMeasurement {
  public var name: String
  public var placement: ExpertPlacement
  public var placementSpec: String
  public var isFitted: Bool
  public var replicaChoice: ReplicaChoice
  public var wire: String
  public var block: Int
  public var timeline: CaseTimeline
  /// Counters over all ranks, one per measured step.
  public var traffic: [TrafficCounters]
  public var digest: UInt64
  public var referenceError: Double?
  public var referenceTokens: Int
  /// Bytes of a row to the experts and of a row back.
  public var rowBytes: (dispatch: Int, combine: Int)
  /// Packed bytes of one expert.
  public var expertBytes: Int
  /// Layers with weights of their own.
  public var weightLayerCount: Int
  /// Bound on comparing two ranks' clocks, microseconds.
  public var clockErrorUs: Double

  public init(
    name: String, placement: ExpertPlacement, placementSpec: String, isFitted: Bool,
    replicaChoice: ReplicaChoice, wire: String, block: Int, timeline: CaseTimeline,
    traffic: [TrafficCounters], digest: UInt64, referenceError: Double?, referenceTokens: Int,
    rowBytes: (dispatch: Int, combine: Int), expertBytes: Int, weightLayerCount: Int,
    clockErrorUs: Double
  ) {
    self.name = name
    self.placement = placement
    self.placementSpec = placementSpec
    self.isFitted = isFitted
    self.replicaChoice = replicaChoice
    self.wire = wire
    self.block = block
    self.timeline = timeline
    self.traffic = traffic
    self.digest = digest
    self.referenceError = referenceError
    self.referenceTokens = referenceTokens
    self.rowBytes = rowBytes
    self.expertBytes = expertBytes
    self.weightLayerCount = weightLayerCount
    self.clockErrorUs = clockErrorUs
  }
}
