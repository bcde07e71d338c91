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
    public var ranks: Int
    public var ranksPerNode: Int
    public var precision: Precision
    /// Memory of a rank.
    public var memorySize: Bytes
    /// Bytes per second that the link between nodes cannot exceed, with its source; nil where it is
    /// not known.
    public var lineRate: (value: BytesPerSecond, source: String)?

    public init(
      name: String, about: String, source: String, rankName: String, ranks: Int, ranksPerNode: Int,
      precision: Precision, memorySize: Bytes,
      lineRate: (value: BytesPerSecond, source: String)? = nil
    ) {
      self.name = name
      self.about = about
      self.source = source
      self.rankName = rankName
      self.ranks = ranks
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
      // Clocks of several machines may put an end before its beginning.
      let measuredRows = samples.exchanges.filter {
        $0.level == level && $0.messages > 0 && $0.time > .zero
      }
      let sharing = level == .between ? Self.ranksPerPort(measuredRows, machine) : 1
      let rows = measuredRows.filter { $0.sendersPerNode == machine.ranksPerNode }
      guard !rows.isEmpty else { continue }
      if sharing > 1 {
        draft.set(
          ["network", "between", "ranks_per_port"], Double(sharing), .measured,
          source: "calibration")
      }
      let fit = try LinkFit(
        rows.map {
          LinkFit.Row(
            size: $0.bytes / $0.messages, messages: $0.messages * Double(sharing), time: $0.time)
        }, name: "exchanges \(level.rawValue) nodes",
        lineRate: level == .between ? machine.lineRate?.value ?? .infinity : .infinity)
      try Self.add(fit, level, machine, to: &draft)
      parts.append(Part(name: "exchange \(level.rawValue) nodes", verdict: fit.verdict))
      measured[level] = fit.measured
    }
    Self.addHull(samples, machine, measured, to: &draft)
    if measured.isEmpty {
      draft.set(["network", "fixed"], 0, .assumed, source: "ranks that exchanged nothing")
    }
    profile = try ClusterProfile(draft, place: "the calibrated profile")
    self.parts = parts
    measuredMessages = measured
  }

  /// What a rank alone must be faster by than one among all of its node: they share a port then.
  private static let sharingGain = 1.5

  /// The ranks that share a port between nodes: all of a node, or none.
  ///
  /// A port of its own takes a rank as long alone as beside others.
  private static func ranksPerPort(
    _ rows: [ClusterSamples.Exchange], _ machine: Machine
  ) -> Int {
    // Few bytes may pass in a burst that a port allows itself.
    func rate(_ rows: [ClusterSamples.Exchange]) -> Double {
      let most = rows.map(\.bytes).max() ?? .zero
      return rows.filter { $0.bytes == most }.map { $0.bytes.value / $0.time.value }.max() ?? 0
    }
    let alone = rows.filter { $0.sendersPerNode < machine.ranksPerNode }
    let together = rows.filter { $0.sendersPerNode == machine.ranksPerNode }
    return rate(alone) >= sharingGain * rate(together) && !alone.isEmpty
      ? machine.ranksPerNode : 1
  }

  private static func addHull(
    _ samples: ClusterSamples, _ machine: Machine,
    _ messages: [ClusterSamples.Level: ClosedRange<Bytes>], to draft: inout ProfileDraft
  ) {
    func set(_ name: String, _ value: Double?) {
      guard let value, value > 0 else { return }
      draft.set(["hull", name], value, .measured, source: "calibration")
    }
    set("ranks", Double(machine.ranks))
    set("nodes", Double(machine.ranks / machine.ranksPerNode))
    set("smallest_message", messages.values.map(\.lowerBound.value).max())
    set("largest_message", messages.values.map(\.upperBound.value).min())
    set("fewest_rows", samples.experts.map(\.rows).min())
    set("most_rows", samples.experts.map(\.rows).max())
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
    let sorted = samples.filter { $0.amount > 0 && $0.time > .zero }.sorted {
      $0.amount < $1.amount
    }
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

  /// Of the fourth power of a time, what products must take at least for it to tell their rate.
  private static let leastProductShare = 0.2

  private static func fitExperts(
    _ samples: [ClusterSamples.Experts], _ machine: Machine, into draft: inout ProfileDraft
  ) -> FitVerdict {
    draft.setText(["rank", "name"], machine.rankName)
    draft.setText(["rank", "kind"], "cpu")
    draft.set(
      ["rank", "memory", "size"], machine.memorySize.value, .measured, source: "calibration")
    let samples = samples.filter { $0.time > .zero }
      .sorted { ($0.rows, $0.count) < ($1.rows, $1.count) }
    guard !samples.isEmpty else { return assumeExperts(machine, into: &draft) }
    func read(_ sample: ClusterSamples.Experts) -> Double {
      let bytes = sample.widths.bytesPerExpert + sample.widths.bytesPerRow * sample.rows
      return sample.count * bytes.value
    }
    let bandwidth = samples.map { read($0) / $0.time.value }.max() ?? 1
    var rates: [(rows: Double, rate: Double)] = []
    for sample in samples {
      let (time, reading) = (sample.time.value, read(sample) / bandwidth)
      let whole = time * time * time * time
      // The rest of the smooth maximum of ExpertTime; where memory takes all, nothing is known but
      // that products take no more.
      let left = whole - reading * reading * reading * reading
      let least = leastProductShare * whole
      guard left > least || rates.isEmpty && sample.rows == samples.last?.rows else { continue }
      // Of equal rows in fewer experts the fixed costs are a larger part.
      if rates.last?.rows == sample.rows { rates.removeLast() }
      rates.append(
        (
          sample.rows,
          sample.count * sample.rows * sample.widths.workPerRow.value
            / max(left, least).squareRoot().squareRoot()
        )
      )
    }
    let peak = rates.map(\.rate).max() ?? 1
    draft.set(
      ["rank", "peak", machine.precision.rawValue], peak, .measured, source: "calibration")
    for rate in rates {
      draft.set(
        ["rank", "efficiency", ProfileDraft.rowsKey(rate.rows)], min(1, rate.rate / peak),
        .measured, source: "calibration")
    }
    draft.set(
      ["rank", "memory", "bandwidth"], bandwidth, .measured, source: "calibration")
    return judgeExperts(
      samples, bandwidth: bandwidth, rates: rates.map { ($0.rows, min(peak, $0.rate)) })
  }

  /// A profile must tell a rate: one that nobody takes for measured.
  private static func assumeExperts(
    _ machine: Machine, into draft: inout ProfileDraft
  ) -> FitVerdict {
    let source = "a stand-in: no experts were measured"
    draft.set(["rank", "peak", machine.precision.rawValue], 1e9, .assumed, source: source)
    draft.set(
      ["rank", "efficiency", ProfileDraft.rowsKey(1)], 1, .assumed, source: source)
    draft.set(["rank", "memory", "bandwidth"], 1e9, .assumed, source: source)
    return FitVerdict(errors: [], bound: LinkFit.acceptedError)
  }

  /// How far the roofline is from every sample.
  private static func judgeExperts(
    _ samples: [ClusterSamples.Experts], bandwidth: Double,
    rates: [(rows: Double, rate: Double)]
  ) -> FitVerdict {
    let rank = RankParameters(
      efficiencies: rates.map { .init(rows: $0.rows, rate: FlopsPerSecond($0.rate)) },
      memory: BytesPerSecond(bandwidth))
    let errors = samples.map { sample in
      let time = ExpertTime(rank, sample.widths).time(
        rows: sample.count * sample.rows, active: sample.count)
      return time / sample.time - 1
    }
    return FitVerdict(errors: errors, bound: LinkFit.acceptedError)
  }
}
