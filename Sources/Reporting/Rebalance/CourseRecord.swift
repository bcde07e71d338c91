// SPDX-License-Identifier: Apache-2.0
// epsim: steps whose experts move in between, policy by policy.

public import Timing

/// What `epsim rebalance --policy` measured, schema `epsim-course/1`.
public struct CourseRecord: Encodable, Sendable {
  /// A move between two steps.
  public struct Move: Encodable, Sendable {
    /// `policy`, `loss` or `restore`.
    public var cause: String
    public var movedExperts: Int
    /// Experts that were made anew, since no rank held them.
    public var recreatedExperts: Int
    /// Experts that a lost rank had held.
    public var lostExperts: Int
    public var bytes: Int
    public var offNodeBytes: Int
    public var timeUs: Double

    public init(
      cause: String, movedExperts: Int, recreatedExperts: Int, lostExperts: Int, bytes: Int,
      offNodeBytes: Int, timeUs: Double
    ) {
      self.cause = cause
      self.movedExperts = movedExperts
      self.recreatedExperts = recreatedExperts
      self.lostExperts = lostExperts
      self.bytes = bytes
      self.offNodeBytes = offNodeBytes
      self.timeUs = timeUs
    }
  }

  /// A measured step, and what moved before it.
  public struct Step: Encodable, Sendable {
    public var timeUs: Double
    /// Sum over layers of the largest rank load / sum of the mean.
    public var maxOverMean: Double
    public var move: Move?

    public init(timeUs: Double, maxOverMean: Double, move: Move?) {
      self.timeUs = timeUs
      self.maxOverMean = maxOverMean
      self.move = move
    }
  }

  /// All steps under one policy.
  public struct Policy: Encodable, Sendable {
    public let policy: String
    public let steps: [Step]
    /// Times that a new placement gained too little.
    public let refused: Int
    public let moves: Int
    public let movedExperts: Int
    public let bytes: Int
    public let moveTimeUs: Double
    public let medianStepUs: Double
    /// Mean over steps.
    public let maxOverMean: Double
    /// All measured steps and all moves.
    public let totalUs: Double
    /// Step by step, time / time under the first policy; nil for the first.
    public let ratioToFirst: PairedRatio?

    /// - Parameter first: the steps of the first policy; nil where it is this one.
    /// - Precondition: there is a step, and as many in `first`.
    public init(policy: String, steps: [Step], refused: Int, first: [Step]? = nil) {
      self.policy = policy
      self.steps = steps
      self.refused = refused
      let all = steps.compactMap(\.move)
      moves = all.count
      movedExperts = all.reduce(0) { $0 + $1.movedExperts }
      bytes = all.reduce(0) { $0 + $1.bytes }
      moveTimeUs = all.reduce(0) { $0 + $1.timeUs }
      medianStepUs = Estimate(steps.map(\.timeUs)).median
      maxOverMean = steps.reduce(0) { $0 + $1.maxOverMean } / Double(steps.count)
      totalUs = moveTimeUs + steps.reduce(0) { $0 + $1.timeUs }
      ratioToFirst = first.map { first in
        PairedRatio(steps.map(\.timeUs), base: first.map(\.timeUs))
      }
    }
  }

  /// The ranks and what computes on them.
  public struct Machine: Encodable, Sendable {
    public var ranks: Int
    public var nodes: Int
    /// Cores of each machine, the smallest.
    public var cores: Int
    public var backend: String
    public var isa: String
    public var threads: Int
    public var mpi: String

    public init(
      ranks: Int, nodes: Int, cores: Int, backend: String, isa: String, threads: Int, mpi: String
    ) {
      self.ranks = ranks
      self.nodes = nodes
      self.cores = cores
      self.backend = backend
      self.isa = isa
      self.threads = threads
      self.mpi = mpi
    }
  }

  public let schema = "epsim-course/1"
  public let from: String
  public let to: String
  public let command: [String]
  public let model: RunRecord.Model
  public let workload: RunRecord.Workload
  public let machine: Machine
  /// Whether times are no measurement: more ranks (times threads) than cores.
  public let functionalOnly: Bool
  /// Whether each step ran under all policies before the next; else memory held one at a time.
  public let interleaved: Bool
  public let policies: [Policy]
  /// Sum mod 2^64 of the digests of all steps, the same under every policy.
  public let outputDigest: String

  public init(
    from: String, to: String, command: [String], model: RunRecord.Model,
    workload: RunRecord.Workload, machine: Machine, functionalOnly: Bool, interleaved: Bool,
    policies: [Policy], outputDigest: String
  ) {
    self.from = from
    self.to = to
    self.command = command
    self.model = model
    self.workload = workload
    self.machine = machine
    self.functionalOnly = functionalOnly
    self.interleaved = interleaved
    self.policies = policies
    self.outputDigest = outputDigest
  }
}
