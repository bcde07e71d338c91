// SPDX-License-Identifier: Apache-2.0
// epsim: from what was measured of a cluster to its profile.

public import CostModel
internal import Foundation
internal import MoE

/// The profile of a cluster, fitted to samples, and how well it fits them.
///
/// Links: start-up time and bandwidth by message size (``LinkFit``). Experts: the memory bandwidth is
/// that of the slowest rate per byte of weights, at few rows; a rate of products at n rows is what
/// the roofline of ``ExpertTime`` needs on top of it. Copies and planning: the median of time per
/// byte, of time per assignment.
public struct ClusterFit: Sendable {
  /// What the samples are of.
  public struct Machine: Sendable {
    /// One word.
    public var name: String
    /// A sentence.
    public var about: String
    /// Where and when it was measured, and by what.
    public var source: String
    public var rankName: String
    public var ranksPerNode: Int
    public var precision: Precision
    /// Memory of a rank.
    public var memorySize: Bytes
    /// Bytes per second that the link between nodes cannot exceed, with its source; nil where it is
    /// not known.
    public var lineRate: (value: BytesPerSecond, source: String)?

    public init(
      name: String, about: String, source: String, rankName: String, ranksPerNode: Int,
      precision: Precision, memorySize: Bytes,
      lineRate: (value: BytesPerSecond, source: String)? = nil
    ) {
      self.name = name
      self.about = about
      self.source = source
      self.rankName = rankName
      self.ranksPerNode = ranksPerNode
      self.precision = precision
      self.memorySize = memorySize
      self.lineRate = lineRate
    }
  }

  /// A part of the profile with its verdict.
  public struct Part: Sendable {
    public var name: String
    public var verdict: FitVerdict
  }

  public let profile: ClusterProfile
  public let parts: [Part]
  /// Sizes of messages that were measured, by level.
  public let measuredMessages: [ClusterSamples.Level: ClosedRange<Bytes>]

  /// - Throws: ``InputError`` where samples contradict what a profile accepts.
  public init(_ samples: ClusterSamples, of machine: Machine) throws {
    var draft = ProfileDraft(name: machine.name, about: machine.about)
    draft.setSource("calibration", machine.source)
    draft.set(["ranks_per_node"], Double(machine.ranksPerNode), .measured, source: "calibration")
    var parts: [Part] = []
    parts.append(
      Part(name: "experts", verdict: Self.fitExperts(samples.experts, machine, into: &draft)))
    parts.append(
      Part(
        name: "copies",
        verdict: Self.fitAmounts(samples.copies, into: &draft, isRate: true)))
    parts.append(
      Part(
        name: "planning",
        verdict: Self.fitAmounts(samples.plans, into: &draft, isRate: false)))
    var measured: [ClusterSamples.Level: ClosedRange<Bytes>] = [:]
    for level in ClusterSamples.Level.allCases {
      let rows = samples.exchanges.filter { $0.level == level && $0.messages > 0 }
      guard !rows.isEmpty else { continue }
      let fit = try LinkFit(
        rows.map {
          LinkFit.Row(size: $0.bytes / $0.messages, messages: $0.messages, time: $0.time)
        }, name: "exchanges \(level.rawValue) nodes",
        lineRate: level == .between ? machine.lineRate?.value ?? .infinity : .infinity)
      try Self.add(fit, level, machine, to: &draft)
      parts.append(Part(name: "exchange \(level.rawValue) nodes", verdict: fit.verdict))
      measured[level] = fit.measured
    }
    profile = try ClusterProfile(draft, place: "the calibrated profile")
    self.parts = parts
    measuredMessages = measured
  }

  private static func add(
    _ fit: LinkFit, _ level: ClusterSamples.Level, _ machine: Machine, to draft: inout ProfileDraft
  ) throws {
    let path = ["network", level.rawValue]
    draft.setText(path + ["kind"], level == .inside ? "MPI inside a node" : "MPI between nodes")
    if level == .between, let line = machine.lineRate {
      draft.set(path + ["line_rate"], line.value.value, .assumed, source: line.source)
    }
    try draft.set(fit, of: level, .measured, source: "calibration")
  }

  private static func fitAmounts(
    _ samples: [ClusterSamples.Amount], into draft: inout ProfileDraft, isRate: Bool
  ) -> FitVerdict {
    // Of few bytes and assignments the start of a phase is most: the larger half tells the slope.
    let sorted = samples.filter { $0.amount > 0 }.sorted { $0.amount < $1.amount }
    let costs = sorted.dropFirst(sorted.count / 2).map { $0.time.value / $0.amount }.sorted()
    guard !costs.isEmpty else { return FitVerdict(errors: [], bound: LinkFit.acceptedError) }
    let cost = costs[costs.count / 2]
    let quartiles = costs[costs.count / 4]...costs[costs.count * 3 / 4]
    if isRate {
      draft.set(
        ["rank", "copies"], 1 / cost, .measured, source: "calibration",
        interval: 1 / quartiles.upperBound...1 / quartiles.lowerBound)
    } else {
      draft.set(
        ["rank", "per_assignment"], cost, .measured, source: "calibration", interval: quartiles)
    }
    return FitVerdict(errors: costs.map { cost / $0 - 1 }, bound: 0.5)
  }

  private static func fitExperts(
    _ samples: [ClusterSamples.Experts], _ machine: Machine, into draft: inout ProfileDraft
  ) -> FitVerdict {
    let samples = samples.sorted { $0.rows < $1.rows }
    func read(_ sample: ClusterSamples.Experts) -> Double {
      // A multiply-add per weight and row.
      sample.count * sample.work.value / 2 * machine.precision.bytes
    }
    let bandwidth = samples.map { read($0) / $0.time.value }.max() ?? 1
    var rates: [(rows: Double, rate: Double)] = []
    for sample in samples {
      let (time, reading) = (sample.time.value, read(sample) / bandwidth)
      // The rest of the smooth maximum of ExpertTime; where memory takes all, nothing is known.
      let left = time * time * time * time - reading * reading * reading * reading
      guard left > 0.2 * time * time * time * time else { continue }
      rates.append(
        (
          sample.rows,
          sample.count * sample.rows * sample.work.value / left.squareRoot().squareRoot()
        )
      )
    }
    let peak = rates.map(\.rate).max() ?? 1
    draft.setText(["rank", "name"], machine.rankName)
    draft.setText(["rank", "kind"], "cpu")
    draft.set(
      ["rank", "peak", machine.precision.rawValue], peak, .measured, source: "calibration")
    for rate in rates {
      draft.set(
        ["rank", "efficiency", ProfileDraft.rowsKey(rate.rows)], min(1, rate.rate / peak),
        .measured, source: "calibration")
    }
    draft.set(
      ["rank", "memory", "bandwidth"], bandwidth, .measured, source: "calibration")
    draft.set(
      ["rank", "memory", "size"], machine.memorySize.value, .measured, source: "calibration")
    return judgeExperts(
      samples, machine, bandwidth: bandwidth, rates: rates.map { ($0.rows, min(peak, $0.rate)) })
  }

  /// How far the roofline is from every sample.
  private static func judgeExperts(
    _ samples: [ClusterSamples.Experts], _ machine: Machine, bandwidth: Double,
    rates: [(rows: Double, rate: Double)]
  ) -> FitVerdict {
    let rank = RankParameters(
      efficiencies: rates.map { .init(rows: $0.rows, rate: FlopsPerSecond($0.rate)) },
      memory: BytesPerSecond(bandwidth))
    let errors = samples.map { sample in
      // An expert of one matrix with as many weights.
      let widths = ExpertWidths(
        hiddenSize: 1, ffnSize: Int(sample.work.value / 2), matrixCount: 1,
        bytesPerWeight: machine.precision.bytes, bytesPerActivation: 0)
      let time = ExpertTime(rank, widths).time(
        rows: sample.count * sample.rows, active: sample.count)
      return time / sample.time - 1
    }
    return FitVerdict(errors: errors, bound: LinkFit.acceptedError)
  }
}
