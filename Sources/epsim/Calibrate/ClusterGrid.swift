// SPDX-License-Identifier: Apache-2.0
// epsim: the even loads on which a cluster is measured.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MoE
internal import Placement
internal import Workloads

/// What `epsim calibrate` runs: exchanges inside nodes and between them, and experts.
///
/// Every run has one layer, and steps of all sizes in turn.
struct ClusterGrid {
  /// One run of the grid.
  struct Run {
    var scope: ScopedRouting.Scope
    var hidden: Int
    /// F; 1 where no expert computes.
    var expertFFN: Int
    var experts: Int
    var topK: Int
    var compute: ExpertCompute
    /// Tokens of a rank, in the order in which steps take them.
    var tokensPerRank: [Int]
  }

  /// FLOP/s of the stand-in for experts where rows are exchanged without them: a pause of about as
  /// long as the exchange. As in a layer, all rows are there before results return; without a
  /// pause late rows of one way and early rows of the other share the wire.
  private static let pauseRate = 1e8

  /// Rounds over all sizes that are not measured, and that are.
  static let warmupRounds = 2
  var rounds = 8
  /// K where rows are exchanged without experts.
  private static let topK = 4
  /// Lengths of the rows that are exchanged.
  var hiddens = [512, 2048]
  /// Tokens of a rank. Taken upwards and then downwards, each twice: a step finds caches and
  /// congestion windows as the one before left them.
  var exchangedTokens = [1, 4, 16, 64, 256, 1024]
  /// The most that a node sends in an exchange: what some hundred tokens of a layer come to. Many
  /// ranks that send far more congest the link between nodes as layers do not.
  static let largestNodeBytes = 16 << 20
  /// Rows of an expert.
  var expertRows = [1, 2, 4, 8, 16, 32, 64, 128, 256]
  /// Whether experts are measured; exchanges always are.
  var measuresExperts = true
  /// Whose experts are measured.
  let model: ModelShape
  let topology: Topology
  let elementType: ElementType
  let scheme: ExchangeScheme
  let seed: UInt64

  init(
    model: ModelShape, topology: Topology, elementType: ElementType, scheme: ExchangeScheme,
    seed: UInt64
  ) {
    self.model = model
    self.topology = topology
    self.elementType = elementType
    self.scheme = scheme
    self.seed = seed
  }

  /// A few small sizes, for a first impression.
  mutating func makeQuick() {
    (hiddens, exchangedTokens, expertRows) = ([512], [1, 16, 64], [1, 16, 64])
  }

  /// The levels at which ranks have others to exchange rows with; a rank alone copies its own.
  private var scopes: [ScopedRouting.Scope] {
    guard topology.rankCount > 1 else { return [.everywhere] }
    let sharesNodes = topology.rankCount > topology.nodeCount
    return (sharesNodes ? [.inside] : []) + (topology.nodeCount > 1 ? [.between] : [])
      + (sharesNodes && topology.nodeCount > 1 ? [.pairs] : [])
  }

  /// All runs, in the order in which they are measured.
  var runs: [Run] {
    let exchanges = scopes.flatMap { scope in
      hiddens.map { hidden in
        var tokens = exchangedTokens.filter { fits($0, hidden: hidden) }
        // Pairs only tell whether ranks share a port.
        if scope == .pairs { tokens = Array(tokens.suffix(2)) }
        return Run(
          scope: scope, hidden: hidden, expertFFN: 1, experts: 8 * topology.rankCount,
          topK: Self.topK, compute: .emulated(rate: Self.pauseRate),
          tokensPerRank: (tokens + tokens.reversed()).flatMap { [$0, $0] })
      }
    }
    return exchanges + (measuresExperts ? [experts] : [])
  }

  var ranksPerNode: Int { max(1, topology.rankCount / topology.nodeCount) }

  /// Whether a node's share of an exchange stays below its limit, in the wider of both ways.
  private func fits(_ tokens: Int, hidden: Int) -> Bool {
    tokens * Self.topK * hidden * 4 * ranksPerNode <= Self.largestNodeBytes
  }

  /// Experts with about as many rows each as the grid asks for.
  private var experts: Run {
    let ranks = topology.rankCount
    // Equal shares for all ranks.
    let count = (model.expertCount + ranks - 1) / ranks * ranks
    let tokens = expertRows.map { max(1, $0 * count / (ranks * model.topK)) }
    return Run(
      scope: .everywhere, hidden: model.hiddenSize, expertFFN: model.expertFFNSize, experts: count,
      topK: model.topK, compute: .real,
      tokensPerRank: tokens.reduce(into: []) { if !$0.contains($1) { $0.append($1) } })
  }

  func configuration(_ run: Run) throws -> RunConfiguration {
    let shape = ModelShape(
      name: "calibration", source: "epsim", hiddenSize: run.hidden, expertFFNSize: run.expertFFN,
      expertCount: run.experts, topK: run.topK, layerCount: 1,
      router: RouterRule(score: .softmax, renormalises: true), activation: model.activation)
    let placement = try PlacementSpec.contiguous.place(
      load: LoadHistogram(layers: [0], expertCount: run.experts), topology: topology, groups: 1,
      modelLayers: [0])
    let routing = ScopedRouting(
      run.scope, expertCount: run.experts, topK: run.topK, tokensPerRank: run.tokensPerRank,
      topology: topology)
    let dealt = run.tokensPerRank.map { routing.rankOfPosition(tokens: $0) }
    let sizes = dealt.count
    return RunConfiguration(
      model: shape, layers: [0], elementType: elementType, weightSharing: .shared, seed: seed,
      tokenCount: run.tokensPerRank.max()! * routing.senders.count,
      rankOfPosition: (0..<(Self.warmupRounds + rounds) * sizes).map { dealt[$0 % sizes] },
      warmupSteps: Self.warmupRounds * sizes, measuredSteps: rounds * sizes,
      routings: [.workload(routing)],
      cases: [
        RunCase(
          name: run.scope.rawValue, placement: placement, replicaChoice: .expertRoundRobin,
          exchange: scheme, compute: run.compute)
      ], topology: topology, checksReference: false)
  }
}
