// SPDX-License-Identifier: Apache-2.0
// epsim: what a case record is made of.

public import CostModel
public import Placement
public import Timing

/// What was measured and counted of a case, with the words of its options.
public struct CaseMeasurement {
  public var name: String
  public var placement: ExpertPlacement
  public var options: Options
  public var block: Int
  public var timeline: CaseTimeline
  /// Counters over all ranks, one per measured step.
  public var traffic: [TrafficCounters]
  /// What left its rank, over all ranks, one per measured step.
  public var volumes: [ExchangeVolume]
  /// What was chosen, by its words; nil where there is no choice.
  public var choices: [String: ExchangeChoices]?
  public var digest: UInt64
  public var referenceError: Double?
  public var referenceTokens: Int
  /// [layers] losses and signals; nil where they were not asked for.
  public var balance: [BalanceRecord]?
  /// What a capacity offers; nil where the case is dropless.
  public var capacity: CapacityUse.Offer?
  /// Bytes of a row to the experts and of a row back.
  public var rowBytes: (dispatch: Int, combine: Int)
  /// Packed bytes of one expert.
  public var expertBytes: Int
  /// Layers with weights of their own.
  public var weightLayerCount: Int
  /// Steps of each sample group, in order; they add up to those of the timeline.
  public var groupSteps: [Int]
  /// What a stamp costs, nanoseconds.
  public var stampCost: Double

  public init(
    name: String, placement: ExpertPlacement, options: Options, block: Int,
    timeline: CaseTimeline, traffic: [TrafficCounters], volumes: [ExchangeVolume],
    choices: [String: ExchangeChoices]? = nil,
    digest: UInt64, referenceError: Double?, referenceTokens: Int, balance: [BalanceRecord]? = nil,
    capacity: CapacityUse.Offer? = nil,
    rowBytes: (dispatch: Int, combine: Int), expertBytes: Int,
    weightLayerCount: Int, groupSteps: [Int], stampCost: Double
  ) {
    self.name = name
    self.placement = placement
    self.options = options
    self.block = block
    self.timeline = timeline
    self.traffic = traffic
    self.volumes = volumes
    self.choices = choices
    self.digest = digest
    self.referenceError = referenceError
    self.referenceTokens = referenceTokens
    self.balance = balance
    self.capacity = capacity
    self.rowBytes = rowBytes
    self.expertBytes = expertBytes
    self.weightLayerCount = weightLayerCount
    self.groupSteps = groupSteps
    self.stampCost = stampCost
  }

  /// How tokens get their experts.
  public struct Routing {
    public var topK: Int
    /// Capacity factor; nil for dropless.
    public var capacity: Double?
    public var dropPolicy: String
    public var capacityScope: String
    public var biasUpdate: Double?

    public init(
      topK: Int, capacity: Double? = nil, dropPolicy: String = "position",
      capacityScope: String = "rank", biasUpdate: Double? = nil
    ) {
      self.topK = topK
      self.capacity = capacity
      self.dropPolicy = dropPolicy
      self.capacityScope = capacityScope
      self.biasUpdate = biasUpdate
    }
  }

  /// How rows travel.
  public struct Exchange {
    public var dedup: String
    public var transport: String
    public var wire: String
    public var combine: String
    public var combineWire: String
    /// Nil where the table chooses.
    public var chunks: Int?
    public var polls: Bool

    public init(
      dedup: String = "none", transport: String = "alltoallv", wire: String,
      combine: String = "exact", combineWire: String = "f32", chunks: Int? = 1,
      polls: Bool = true
    ) {
      self.dedup = dedup
      self.transport = transport
      self.wire = wire
      self.combine = combine
      self.combineWire = combineWire
      self.chunks = chunks
      self.polls = polls
    }
  }

  /// The option words of a case as they stand in a record.
  public struct Options {
    public var placement: String
    public var isFitted: Bool
    public var replicaChoice: String
    public var routing: Routing
    public var exchange: Exchange
    public var compute: String
    public var expertRate: Double?
    public var timing: String
    public var delay: String?
    public var slow: String?
    public var jitterUs: Double

    public init(
      placement: String, isFitted: Bool, replicaChoice: String, routing: Routing,
      exchange: Exchange, compute: String = "real", expertRate: Double? = nil,
      timing: String = "clocks",
      delay: String? = nil, slow: String? = nil, jitterUs: Double = 0
    ) {
      self.placement = placement
      self.isFitted = isFitted
      self.replicaChoice = replicaChoice
      self.routing = routing
      self.exchange = exchange
      self.compute = compute
      self.expertRate = expertRate
      self.timing = timing
      self.delay = delay
      self.slow = slow
      self.jitterUs = jitterUs
    }
  }
}
