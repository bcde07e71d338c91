// SPDX-License-Identifier: Apache-2.0
// epsim: placements side by side, as `epsim place` judges them.

public import CostModel
public import Placement

/// Placements solved for the same ranks, with what they do on tokens.
public struct PlacementLabRecord: Encodable {
  /// One placement with what goes with it.
  public struct Row: Encodable {
    /// Of the placement, and of what tells the row from others of the same placement.
    public let name: String
    public let placement: String
    public let replicaChoice: ReplicaChoice
    public let dedup: Dedup
    public let combine: CombineRule
    /// P, the slots of a layer over all ranks, and those beyond one per expert.
    public let slots: Int
    public let extraSlots: Int
    /// The most slots of a rank.
    public let slotsPerRank: Int
    public let uselessReplicas: Int
    /// Weights of the routed experts of the layers in use on the rank that holds the most.
    public let memoryBytesPerRank: Double
    /// Whether the placement depends on a load or on tokens.
    public let isFitted: Bool
    /// Load max/mean on the load that it was fitted to, all steps summed and shared evenly by
    /// replicas: what strategies minimise, and smaller than that of any step; null for placements
    /// that are not fitted.
    @ExplicitNull public var summedLoadMaxOverMean: Double?
    /// On the tokens that it was fitted to; null where they are not known.
    @ExplicitNull public var fitted: PlacementScore?
    /// On the judged tokens.
    public let judged: PlacementScore
    /// No placement with these slots has a smaller load max/mean on the judged tokens.
    public let loadBound: Double
    /// No placement with these slots takes less modelled time on the judged tokens; null without
    /// `--cluster`.
    @ExplicitNull public var secondsBound: Double?
    /// (judged - judged of the same strategy fitted to the judged tokens) / the latter, by modelled
    /// time, or load max/mean without `--cluster`; null for placements that are not fitted.
    @ExplicitNull public var regret: Double?
    /// Slots that move from the reference placement after relabelling inside nodes.
    public let movedSlots: Int
    public let solveMs: Double
    /// Whether `--max-seconds` ended a search.
    public let isCutShort: Bool

    public init(
      _ placement: ExpertPlacement, name: String, dedup: Dedup, combine: CombineRule,
      replicaChoice: ReplicaChoice, memoryBytesPerRank: Double, summedLoadMaxOverMean: Double?,
      fitted: PlacementScore?, judged: PlacementScore, bound: StepBound, regret: Double?,
      movedSlots: Int, solveMs: Double, isCutShort: Bool = false
    ) {
      self.name = name
      self.placement = placement.name
      (self.dedup, self.combine, self.replicaChoice) = (dedup, combine, replicaChoice)
      slots = placement.slotCount
      extraSlots = placement.extraSlotCount
      slotsPerRank = (0..<placement.rankCount).map { placement.slots(ofRank: $0).count }.max() ?? 0
      uselessReplicas = placement.uselessReplicaCount
      self.memoryBytesPerRank = memoryBytesPerRank
      isFitted = summedLoadMaxOverMean != nil
      self.summedLoadMaxOverMean = summedLoadMaxOverMean
      self.fitted = fitted
      self.judged = judged
      loadBound = bound.loadMaxOverMean
      secondsBound = bound.stepSeconds
      self.regret = regret
      self.movedSlots = movedSlots
      self.solveMs = solveMs
      self.isCutShort = isCutShort
    }

    /// What is to be small: modelled time, or load without a cluster.
    var cost: Double { judged.stepSeconds ?? judged.load.maxOverMean }
    var costBound: Double { secondsBound ?? loadBound }
    /// (cost - bound) / bound; 0 where nothing is to be gained.
    public var gap: Double { costBound > 0 ? max(0, cost / costBound - 1) : 0 }
    /// Copies per token and layer that leave nodes as the row deduplicates.
    var offNodeCopies: Double { judged.offNode(dedup) }
  }

  public let rows: [Row]
  public let ranks: Int
  public let nodes: Int
  public let layers: Int
  /// `none`, `rank` or `node`, which copies travel; `exact` or `pre-reduced`, how results return; a
  /// rule of replicas: each with commas where rows differ.
  public let dedup: String
  public let combine: String
  public let replicaChoice: String
  /// The name of the cluster profile; null without.
  @ExplicitNull public var cluster: String?
  /// In words.
  public let fittedTokens: String
  public let judgedTokens: String
  /// The placement that moves are counted from.
  public let movedFrom: String
  /// Rows that no other beats in modelled time and memory; null without a cluster.
  @ExplicitNull public var frontOfTimeAndMemory: [String]?
  /// Rows that no other beats in load max/mean and copies between nodes.
  public let frontOfLoadAndTraffic: [String]
  public let remarks: [String]
  /// What placements called `auto` tried; absent where there are none.
  public var placementChoices: [AutoChoiceRecord]?
  /// How fitted placements grow old, by name; absent unless asked for.
  public var drift: [String: PlacementDrift]?
  /// Experts lent for single batches; absent unless asked for.
  public var perBatch: TransientRecord?

  /// - Precondition: at least one row.
  public init(
    _ rows: [Row], topology: Topology, layers: Int, cluster: String?, fittedTokens: String,
    judgedTokens: String, movedFrom: String
  ) {
    self.rows = rows
    ranks = topology.rankCount
    nodes = topology.nodeCount
    self.layers = layers
    func words(_ word: (Row) -> String) -> String {
      rows.map(word).reduce(into: [String]()) { words, word in
        if !words.contains(word) { words.append(word) }
      }.joined(separator: ",")
    }
    dedup = words(\.dedup.rawValue)
    combine = words(\.combine.rawValue)
    replicaChoice = words(\.replicaChoice.rawValue)
    self.cluster = cluster
    self.fittedTokens = fittedTokens
    self.judgedTokens = judgedTokens
    self.movedFrom = movedFrom
    if cluster != nil {
      frontOfTimeAndMemory = ParetoFront(rows.map { ($0.memoryBytesPerRank, $0.cost) })
        .indices.map { rows[$0].name }
    }
    frontOfLoadAndTraffic = ParetoFront(
      rows.map { ($0.judged.load.maxOverMean, $0.offNodeCopies) }
    ).indices.map { rows[$0].name }
    remarks = PlacementRemarks(rows, topology: topology).sentences
  }
}
