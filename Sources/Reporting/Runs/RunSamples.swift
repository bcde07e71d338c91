// SPDX-License-Identifier: Apache-2.0
// epsim: everything that a run measured, step by step, from which its record is evaluated.

public import CostModel
public import Timing

/// The samples of all launches of a run: what a record is evaluated from, and what a later launch
/// adds to.
public struct RunSamples: Sendable, Equatable {
  /// What was run; samples of anything else are not added to these.
  public var identity: RunIdentity
  public var groups: [RunRecord.SampleGroup]
  /// Cases that have steps, in the order of cases, then blocks.
  public var cases: [CaseSamples]

  public init(identity: RunIdentity, groups: [RunRecord.SampleGroup], cases: [CaseSamples]) {
    self.identity = identity
    self.groups = groups
    self.cases = cases
  }

  /// The samples of a case in its first block.
  public func first(ofCase index: Int) -> CaseSamples? { cases.first { $0.caseIndex == index } }

  /// The samples of a case in a block.
  public func samples(ofCase index: Int, block: Int) -> CaseSamples? {
    cases.first { $0.caseIndex == index && $0.block == block }
  }

  /// Measured rounds of a block that the groups from `group` on hold.
  public func rounds(ofBlock block: Int, fromGroup group: Int = 0) -> Int {
    samples(ofCase: 0, block: block)?.groupSteps.dropFirst(group).reduce(0, +) ?? 0
  }

  /// These samples and, as a further group, those of another launch.
  public func adding(_ launch: RunSamples) -> RunSamples {
    var result = self
    result.groups += launch.groups
    for added in launch.cases {
      let known = result.cases.firstIndex {
        $0.caseIndex == added.caseIndex && $0.block == added.block
      }
      if let known {
        result.cases[known].append(added, afterGroups: groups.count)
      } else {
        var new = added
        new.groupSteps = Array(repeating: 0, count: groups.count) + added.groupSteps
        result.cases.append(new)
      }
    }
    result.cases.sort { ($0.caseIndex, $0.block) < ($1.caseIndex, $1.block) }
    return result
  }
}

/// What was run, as far as samples must agree in it to stand side by side.
public struct RunIdentity: Codable, Sendable, Equatable {
  public var model: RunRecord.Model
  public var workload: RunRecord.Workload
  public var ranks: Int
  public var nodes: Int
  public var backend: String
  public var isa: String
  public var threads: Int
  public var mpi: String
  /// Every case with all its options.
  public var cases: [String]
  /// Which expert stood where in each case, as a hash.
  public var placements: [UInt64]

  public init(
    model: RunRecord.Model, workload: RunRecord.Workload, ranks: Int, nodes: Int, backend: String,
    isa: String, threads: Int, mpi: String, cases: [String], placements: [UInt64]
  ) {
    self.model = model
    self.workload = workload
    self.ranks = ranks
    self.nodes = nodes
    self.backend = backend
    self.isa = isa
    self.threads = threads
    self.mpi = mpi
    self.cases = cases
    self.placements = placements
  }

  /// The first thing in which another identity differs, in words; nil where it is the same.
  public func difference(to other: RunIdentity) -> String? {
    let (model, others) = (self.model, other.model)
    let (work, otherWork) = (workload, other.workload)
    let figures: [(name: String, old: String, new: String)] = [
      ("the number of ranks", "\(ranks)", "\(other.ranks)"),
      ("the number of nodes", "\(nodes)", "\(other.nodes)"),
      ("the backend", backend, other.backend),
      ("the instruction set", isa, other.isa),
      ("--threads", "\(threads)", "\(other.threads)"),
      ("the MPI library", mpi, other.mpi),
      ("--model", model.name, others.name),
      ("--layers", "\(model.layers)", "\(others.layers)"),
      ("--dtype", model.dtype, others.dtype),
      ("--weights", model.weights, others.weights),
      ("--workload", work.name, otherWork.name),
      ("--tokens", work.sizes, otherWork.sizes),
      ("--assignment", work.assignment, otherWork.assignment),
      ("--fit", work.fit, otherWork.fit),
      ("--warmup", work.ofEachSize(\.warmupSteps), otherWork.ofEachSize(\.warmupSteps)),
      ("--steps", work.ofEachSize(\.measuredSteps), otherWork.ofEachSize(\.measuredSteps)),
      ("--seed", "\(work.seed)", "\(otherWork.seed)"),
      ("the number of cases", "\(cases.count)", "\(other.cases.count)"),
    ]
    if let figure = figures.first(where: { $0.old != $0.new }) {
      return "\(figure.name) was \(figure.old) and is \(figure.new)"
    }
    if model != others { return "the model \(model.name) has changed" }
    if work != otherWork { return "the workload \(work.name) has changed" }
    if let index = cases.indices.first(where: { cases[$0] != other.cases[$0] }) {
      let (old, new) = (
        cases[index].split(separator: " "), other.cases[index].split(separator: " ")
      )
      let word = zip(old, new).first { $0 != $1 } ?? (old.last ?? "", new.last ?? "")
      return "case \(index + 1) was \(word.0) and is \(word.1)"
    }
    let moved = zip(placements, other.placements).enumerated().first { $1.0 != $1.1 }
    return moved.map { "case \($0.offset + 1) places its experts otherwise than it did" }
  }
}

/// The samples of one case in one block of cases.
public struct CaseSamples: Sendable, Equatable {
  public var caseIndex: Int
  public var block: Int
  public var timeline: CaseTimeline
  /// [steps] the counters of each step as one block of numbers, whose layout the placement gives.
  public var traffic: [[Int]]
  /// [steps] what left its rank, over all ranks.
  public var volumes: [ExchangeVolume]
  /// Steps of each group of the run, 0 where the group has none of this case.
  public var groupSteps: [Int]
  public var digest: UInt64
  public var referenceError: Double?
  public var referenceTokens: Int

  public init(
    caseIndex: Int, block: Int, timeline: CaseTimeline, traffic: [[Int]],
    volumes: [ExchangeVolume], digest: UInt64, referenceError: Double?, referenceTokens: Int
  ) {
    self.caseIndex = caseIndex
    self.block = block
    self.timeline = timeline
    self.traffic = traffic
    self.volumes = volumes
    groupSteps = [timeline.stepCount]
    self.digest = digest
    self.referenceError = referenceError
    self.referenceTokens = referenceTokens
  }

  /// Adds the samples of a later launch, which has one group.
  fileprivate mutating func append(_ other: CaseSamples, afterGroups count: Int) {
    timeline.append(contentsOf: other.timeline)
    traffic += other.traffic
    volumes += other.volumes
    groupSteps += Array(repeating: 0, count: count - groupSteps.count) + other.groupSteps
    if let error = other.referenceError {
      referenceError = max(error, referenceError ?? 0)
      referenceTokens = other.referenceTokens
    }
  }
}
