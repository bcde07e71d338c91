// SPDX-License-Identifier: Apache-2.0
// epsim: everything that a run needs to know, the same on every rank.

public import CostModel
public import Kernels
public import MoE
public import Placement

/// What a run executes. Every rank holds an equal copy.
public struct RunConfiguration: Sendable {
  /// Sizes and rules of the model.
  public var model: ModelShape
  /// The MoE layers to run, in the model's numbering.
  public var layers: [Int]
  /// Format of activations and weights in the products.
  public var elementType: ElementType
  /// Which layers have weights of their own.
  public var weightSharing: ModelWeights.Sharing
  /// Seed of weights, inputs and the order of cases.
  public var seed: UInt64
  /// T, tokens per step over all ranks.
  public var tokenCount: Int
  /// [steps with warm-up][T] rank of each position.
  public var rankOfPosition: [[Int32]]
  /// Steps that are run and not measured.
  public var warmupSteps: Int
  /// Steps that are measured.
  public var measuredSteps: Int
  /// Where choices come from; cases name theirs by its index.
  public var routings: [CaseRouting]
  /// What is compared; the first case is the base.
  public var cases: [RunCase]
  /// Which rank lives on which node.
  public var topology: Topology
  /// Whether outputs are compared with the reference layer.
  public var checksReference: Bool
  /// What is summed up about balance; nil for nothing.
  public var balance: BalanceRequest?
  /// Bytes that the ranks of one node may use; nil for what the node has free.
  public var memoryLimit: Int?
  /// Whether experts move during the run to where nobody knows yet: ranks are then given room for
  /// everything that may be sent to them.
  public var placementsChange = false
  /// How often a rank holds weights of its own at a time: once for each course whose experts move.
  public var shardCount = 1

  public init(
    model: ModelShape, layers: [Int], elementType: ElementType,
    weightSharing: ModelWeights.Sharing, seed: UInt64, tokenCount: Int,
    rankOfPosition: [[Int32]], warmupSteps: Int, measuredSteps: Int,
    routings: [CaseRouting], cases: [RunCase], topology: Topology, checksReference: Bool,
    balance: BalanceRequest? = nil, memoryLimit: Int? = nil
  ) {
    self.model = model
    self.layers = layers
    self.elementType = elementType
    self.weightSharing = weightSharing
    self.seed = seed
    self.tokenCount = tokenCount
    self.rankOfPosition = rankOfPosition
    self.warmupSteps = warmupSteps
    self.measuredSteps = measuredSteps
    self.routings = routings
    self.cases = cases
    self.topology = topology
    self.checksReference = checksReference
    self.balance = balance
    self.memoryLimit = memoryLimit
  }

  /// The positions that a rank owns in a step, ascending.
  func positions(rank: Int, step: Int) -> [Int32] {
    rankOfPosition[step].indices.filter { rankOfPosition[step][$0] == Int32(rank) }
      .map { Int32($0) }
  }

  /// The most tokens that a rank owns in any step.
  func tokenCapacity(rank: Int) -> Int {
    rankOfPosition.map { $0.reduce(0) { $0 + ($1 == Int32(rank) ? 1 : 0) } }.max() ?? 0
  }

  /// The most rows that all ranks send together in a layer of a case.
  public func rowLimit(of runCase: RunCase) -> Int {
    (0..<topology.rankCount).reduce(0) { sum, rank in
      sum + routing(of: runCase).rowLimit(tokenCount: tokenCapacity(rank: rank))
    }
  }

  /// Where the choices of a case come from.
  func routing(of runCase: RunCase) -> CaseRouting { routings[runCase.routing] }

  /// Whether some case has a live router.
  var routesLive: Bool { routings.contains(where: \.isLive) }

  /// Whether some case computes with real weights.
  var computes: Bool { cases.contains { $0.compute == .real } }

  var weights: ModelWeights { ModelWeights(model: model, seed: seed, sharing: weightSharing) }
}

/// One case of a comparison: where the experts live, how rows travel, what computes.
public struct RunCase: Sendable {
  /// How waiting is told from transfer.
  public enum Timing: String, Sendable, CaseIterable {
    /// By the entry stamps of all ranks on aligned clocks.
    case clocks
    /// By a barrier before every exchange: a cross-check that changes what it measures.
    case barrier
  }

  /// What tables call it.
  public var name: String
  /// Where its choices come from, among the routings of the run.
  public var routing: Int
  /// Where the experts live; rows for every layer of the run.
  public var placement: ExpertPlacement
  /// Which copy of an expert serves a token.
  public var replicaChoice: ReplicaChoice
  /// How rows travel; where ``selection`` chooses, its wires and its first scheme.
  public var exchange: ExchangeScheme
  /// What every exchange chooses from; nil where all travel as ``exchange`` says.
  public var selection: ExchangeSelection?
  /// What stands for expert compute.
  public var compute: ExpertCompute
  /// How waiting is told from transfer.
  public var timing: Timing
  /// Known delays that are injected.
  public var disturbance: Disturbance

  public init(
    name: String, routing: Int = 0, placement: ExpertPlacement, replicaChoice: ReplicaChoice,
    exchange: ExchangeScheme, selection: ExchangeSelection? = nil,
    compute: ExpertCompute = .real, timing: Timing = .clocks, disturbance: Disturbance = .none
  ) {
    self.name = name
    self.routing = routing
    self.placement = placement
    self.replicaChoice = replicaChoice
    self.exchange = exchange
    self.selection = selection
    self.compute = compute
    self.timing = timing
    self.disturbance = disturbance
  }
}
