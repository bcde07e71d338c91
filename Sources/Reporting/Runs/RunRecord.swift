// SPDX-License-Identifier: Apache-2.0
// epsim: what a run writes down (schema epsim-run/1).

internal import Foundation

/// Everything that a run leaves behind: configuration, environment, samples, results.
///
/// Keys are written in snake case. Times are microseconds, bytes and copies are per step over all
/// ranks. docs/measurement.md defines every figure.
public struct RunRecord: Codable, Sendable {
  public static let schema = "epsim-run/1"

  public var schema = RunRecord.schema
  public var created: String
  /// The options with those of a configuration file in place of `--config`.
  public var command: [String]
  public var environment: Environment
  public var model: Model
  public var workload: Workload
  /// Whether every round is there that was asked for; where not, the run was ended early.
  public var complete: Bool
  /// Where the samples come from: the first launch, its resumptions, further launches.
  public var groups: [SampleGroup]
  public var cases: [CaseRecord]
  /// What a profile of the ranks says about the cases; absent where none is named.
  public var prediction: PredictionRecord?
  /// What placements called `auto` tried; absent where there are none.
  public var placementChoices: [AutoChoiceRecord]?

  public init(
    created: String, command: [String], environment: Environment, model: Model,
    workload: Workload, complete: Bool, groups: [SampleGroup], cases: [CaseRecord]
  ) {
    self.created = created
    self.command = command
    self.environment = environment
    self.model = model
    self.workload = workload
    self.complete = complete
    self.groups = groups
    self.cases = cases
  }

  /// Rounds that one launch added.
  public struct SampleGroup: Codable, Sendable, Equatable {
    /// Why a group was started.
    public enum Kind: String, Codable, Sendable {
      /// The record begins with it.
      case first
      /// Adds the rounds that an earlier launch did not finish.
      case resume
      /// Repeats the whole measurement.
      case launch
    }
    public var kind: Kind
    public var created: String
    /// Measured rounds, over all blocks of cases.
    public var rounds: Int
    /// [R] host of each rank.
    public var hosts: [String]
    public var clockErrorUs: Double
    /// Whether a machine had more ranks than cores in this launch.
    public var functionalOnly: Bool
    /// Messages of its self-test that arrived before they were sent.
    public var causalityViolations: Int

    public init(
      kind: Kind, created: String, rounds: Int, hosts: [String], clockErrorUs: Double,
      functionalOnly: Bool, causalityViolations: Int
    ) {
      self.kind = kind
      self.created = created
      self.rounds = rounds
      self.hosts = hosts
      self.clockErrorUs = clockErrorUs
      self.functionalOnly = functionalOnly
      self.causalityViolations = causalityViolations
    }
  }

  /// Where the run took place.
  public struct Environment: Codable, Sendable {
    public var epsim: String
    public var mpi: String
    public var backend: String
    /// Instruction set, and whether bits of a row depend on the row count ("rows exact") or every
    /// product is padded ("rows fixed:N"); several joined by "and" on a mixture of machines.
    public var isa: String
    public var ranks: Int
    public var nodes: Int
    /// [R] host of each rank.
    public var hosts: [String]
    /// Cores of each machine, the smallest.
    public var cores: Int
    /// Whether a machine had more ranks than cores: its times are no measurement.
    public var functionalOnly: Bool
    public var threads: Int
    /// Bound on the error of comparing two ranks' clocks.
    public var clockErrorUs: Double
    /// The clock domains of the ranks.
    public var clocks: [Clock]
    /// Messages whose send and receive stamps were compared, and those that arrived before they
    /// were sent by more than the error bounds.
    public var causality: Causality

    public init(
      epsim: String, mpi: String, backend: String, isa: String, ranks: Int,
      nodes: Int, hosts: [String], cores: Int, functionalOnly: Bool, threads: Int,
      clockErrorUs: Double, clocks: [Clock], causality: Causality
    ) {
      self.epsim = epsim
      self.mpi = mpi
      self.backend = backend
      self.isa = isa
      self.ranks = ranks
      self.nodes = nodes
      self.hosts = hosts
      self.cores = cores
      self.functionalOnly = functionalOnly
      self.threads = threads
      self.clockErrorUs = clockErrorUs
      self.clocks = clocks
      self.causality = causality
    }
  }

  /// A clock that ranks share, against that of rank 0.
  public struct Clock: Codable, Sendable {
    public var ranks: [Int]
    /// Clock of rank 0 - this clock at the first anchor, nanoseconds; 0 for rank 0's own.
    public var offsetNs: Int64
    /// How much faster rank 0's clock runs, parts per million; nil for its own.
    @ExplicitNull public var driftPpm: Double? = nil
    public var errorUs: Double
    /// How far an anchor lies from the line through its neighbours.
    public var residualUs: Double
    /// Whether an anchor between others has confirmed the line.
    public var verified: Bool
    public var anchors: Int

    public init(
      ranks: [Int], offsetNs: Int64, driftPpm: Double?, errorUs: Double, residualUs: Double,
      verified: Bool, anchors: Int
    ) {
      self.ranks = ranks
      self.offsetNs = offsetNs
      self.errorUs = errorUs
      self.residualUs = residualUs
      self.verified = verified
      self.anchors = anchors
      self.driftPpm = driftPpm
    }
  }

  /// The outcome of the causality self-test.
  public struct Causality: Codable, Sendable {
    public var checks: Int
    public var violations: Int

    public init(checks: Int, violations: Int) {
      self.checks = checks
      self.violations = violations
    }
  }

  /// What was run.
  public struct Model: Codable, Sendable, Equatable {
    public var name: String
    public var source: String
    public var hiddenSize: Int
    public var expertFfnSize: Int
    public var experts: Int
    public var topK: Int
    public var sharedExperts: Int
    public var layers: [Int]
    public var dtype: String
    public var weights: String

    public init(
      name: String, source: String, hiddenSize: Int, expertFfnSize: Int, experts: Int, topK: Int,
      sharedExperts: Int, layers: [Int], dtype: String, weights: String
    ) {
      self.name = name
      self.source = source
      self.hiddenSize = hiddenSize
      self.expertFfnSize = expertFfnSize
      self.experts = experts
      self.topK = topK
      self.sharedExperts = sharedExperts
      self.layers = layers
      self.dtype = dtype
      self.weights = weights
    }
  }

  /// What the tokens did.
  public struct Workload: Codable, Sendable, Equatable {
    public var name: String
    /// "trace", "generator" or "router".
    public var kind: String
    /// The most of any step, over all ranks.
    public var tokensPerStep: Int
    /// Tokens of the sizes that steps take in turn, over all ranks.
    public var stepTokens: [Int]
    public var assignment: String
    /// What fitted placements were fitted to.
    public var fit: String
    /// What every case was judged on.
    public var judged: String
    /// Tokens of the trace that are judged; nil for generators and routers, which do not end.
    @ExplicitNull public var judgedTokens: Int? = nil
    /// Steps of all sizes together.
    public var warmupSteps: Int
    public var measuredSteps: Int
    public var seed: UInt64

    public init(
      name: String, kind: String, tokensPerStep: Int, stepTokens: [Int], assignment: String,
      fit: String, judged: String, judgedTokens: Int?, warmupSteps: Int, measuredSteps: Int,
      seed: UInt64
    ) {
      self.name = name
      self.kind = kind
      self.tokensPerStep = tokensPerStep
      self.stepTokens = stepTokens
      self.assignment = assignment
      self.fit = fit
      self.judged = judged
      self.warmupSteps = warmupSteps
      self.measuredSteps = measuredSteps
      self.seed = seed
      self.judgedTokens = judgedTokens
    }
  }
}

extension RunRecord.Workload {
  /// Tokens of a step, as a list of options has them.
  var sizes: String { stepTokens.map { "\($0)" }.joined(separator: ",") }

  /// Steps of one size.
  func ofEachSize(_ steps: KeyPath<Self, Int>) -> String {
    "\(self[keyPath: steps] / max(1, stepTokens.count))"
  }
}
