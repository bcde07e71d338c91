// SPDX-License-Identifier: Apache-2.0
// epsim: what a run writes down about one case.

internal import CostModel
public import Placement

/// The results of one case as they stand in a record.
///
/// Times are microseconds per step: reduced over ranks first, median over steps last. Bytes and
/// copies are means per step over all ranks and layers.
public struct CaseRecord: Codable, Sendable {
  /// A figure of both directions.
  public struct BothWays: Codable, Sendable {
    public var dispatch: Double
    public var combine: Double

    /// Dispatch and combine together.
    public var both: Double { dispatch + combine }
  }
  /// Bytes of token rows: of all assignments, and of the rows that really left a rank or node.
  public struct Bytes: Codable, Sendable {
    public var logical: BothWays
    public var offRank: BothWays
    public var offNode: BothWays
  }
  /// Copies of token rows: what each way of an exchange would send, and what this one sent.
  public struct Copies: Codable, Sendable {
    public var logical: BothWays
    public var offRank: BothWays
    public var offRankRankDedup: BothWays
    public var offNode: BothWays
    public var offNodeRankDedup: BothWays
    public var offNodeNodeDedup: BothWays
    /// Rows, or sums of them, that left their rank, and those that left their node.
    public var travelled: BothWays
    public var travelledOffNode: BothWays
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

  public var name: String
  public var placement: String
  /// Whether the placement was fitted to a load.
  public var isFitted: Bool
  public var replicaChoice: String
  public var dedup: String
  public var transport: String
  public var wire: String
  public var combine: String
  public var combineWire: String
  /// Null where it is chosen, exchange by exchange.
  @ExplicitNull public var chunks: Int? = nil
  /// What was chosen, "DEDUP TRANSPORT CHUNKS"; null where there is no choice.
  @ExplicitNull public var choices: [String: ExchangeChoices]? = nil
  /// Whether chunks were moved on between blocks of work, "on" or "off"; null with one chunk.
  @ExplicitNull public var poll: String? = nil
  public var topK: Int
  /// Capacity factor as written, or "none".
  public var capacity: String
  /// Null without a capacity.
  @ExplicitNull public var dropPolicy: String? = nil
  @ExplicitNull public var capacityScope: String? = nil
  /// What a step's load moves the selection bias by; null where it stays.
  @ExplicitNull public var biasUpdate: Double? = nil
  public var compute: String
  /// FLOP/s of emulated compute.
  @ExplicitNull public var expertRate: Double? = nil
  /// How waiting was told from transfer: "clocks" or "barrier".
  public var timing: String
  /// Injected delays as written, "RANK:MICROSECONDS" and "RANK:FACTOR".
  @ExplicitNull public var delay: String? = nil
  @ExplicitNull public var slow: String? = nil
  public var jitterUs: Double
  /// Block of interleaved cases; 0 where all cases fit together.
  public var block: Int
  /// Over the steps of all sizes.
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
  /// How much of the exchanges ran beside compute; null with one chunk.
  @ExplicitNull public var overlap: Overlap? = nil
  public var shares: Shares
  public var efficiency: Efficiency
  public var blame: BlameTable
  public var checks: Checks
  public var groups: [GroupTime]
  public var bytes: Bytes
  public var wireBytes: WireBytes
  /// Blocks of rows that left their rank.
  public var messages: BothWays
  public var bandwidth: Bandwidth
  public var copies: Copies
  public var load: LoadSummary
  public var nodeLoad: LoadSummary
  public var fanOut: FanOut
  public var dropped: Dropped
  @ExplicitNull public var capacityUse: CapacityUse? = nil
  public var replicas: Replicas
  /// The figures of each size of a step; null where all steps have one.
  @ExplicitNull public var sizes: [SizeFigures]? = nil
  /// Busiest expert over the mean, step by step, layers added up: how load moves while a bias learns
  /// or the text drifts.
  public var expertMaxOverMean: [Double]
  /// [layers] losses and signals of one step; null where they were not asked for.
  @ExplicitNull public var balance: [BalanceRecord]? = nil
  /// Hash of the first measured step's output, in hexadecimal.
  public var outputDigest: String
  @ExplicitNull public var referenceError: Double? = nil
  @ExplicitNull public var referenceTokens: Int? = nil
}
