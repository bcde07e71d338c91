// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim project` prints.

internal import CostModel
public import Projection

/// Projected steps, what limits them, what they hang on, and where one case overtakes another.
public struct ProjectionReport {
  let points: [ProjectedPoint]
  let profile: ClusterProfile
  let model: String
  let workload: String
  let layerCount: Int
  let tokensPerRank: Int
  let mode: String
  let schedule: ExchangeSchedule

  public init(
    _ points: [ProjectedPoint], profile: ClusterProfile, model: String, workload: String,
    layerCount: Int, tokensPerRank: Int, mode: String,
    schedule: ExchangeSchedule
  ) {
    self.points = points
    self.profile = profile
    self.model = model
    self.workload = workload
    self.layerCount = layerCount
    self.tokensPerRank = tokensPerRank
    self.mode = mode
    self.schedule = schedule
  }

  public var text: String {
    ([heading, "", steps, "", limits, "", influences] + remarks).joined(separator: "\n")
  }

  private var heading: String {
    """
    \(model), \(workload), \(layerCount) \(layerCount == 1 ? "layer" : "layers"), \(mode), \
    \(tokensPerRank) tokens a rank
    projected on \(profile.name): \(profile.about)
    nothing was run; exchanges by \(scheduleWords); numbers of the profile: \
    \(profile.provenanceWords)
    """
  }

  private var scheduleWords: String {
    switch schedule {
    case .bound: "the bound of their ports"
    case .flows: "max-min flows"
    case .linear: "the linear MPI_Alltoallv"
    case .pairwise: "the pairwise MPI_Alltoallv"
    }
  }

  private var steps: String {
    var table = TextTable([
      ("ranks", .right), ("nodes", .right), ("case", .left), ("step", .right),
      ("interval", .right), ("tokens/s", .right), ("expert", .right), ("transfer", .right),
      ("wait", .right), ("rest", .right), ("off node\nper rank", .right),
    ])
    let unit = Quantity.TimeUnit(
      fitting: points.map(\.typical.time.microseconds).max() ?? 0)
    for point in points {
      let (step, interval) = (point.typical, point.interval)
      let shares = step.shares
      func percent(_ share: Double) -> String { Quantity.fixed(100 * share, 0) + " %" }
      table.add([
        "\(point.topology.rankCount)", "\(point.topology.nodeCount)", point.name,
        unit.withUnit(step.time.microseconds),
        "\(unit.text(interval.lowerBound.microseconds)) - "
          + unit.text(interval.upperBound.microseconds),
        Quantity.count(Int(min(point.tokensPerSecond, 1e15))), percent(shares.expert),
        percent(shares.transfer), percent(shares.wait), percent(shares.rest),
        Quantity.bytes(point.offNodeBytes.value / Double(point.topology.rankCount)),
      ])
    }
    return table.text
  }

  private var limits: String {
    (["What decides the step:"]
      + points.map {
        "  \($0.topology.rankCount) ranks, \($0.name): \($0.typical.bindingWords)"
      }).joined(separator: "\n")
  }

  /// Of the largest projection: there the profile matters most.
  private var influences: String {
    guard let point = points.last else { return "" }
    var table = TextTable([
      ("number", .left), ("value", .right), ("may be", .right), ("step", .right), ("from", .left),
    ])
    for influence in point.influences.prefix(6) {
      let range = influence.value.uncertainty
      table.add([
        influence.value.key, influence.value.text,
        "\(Quantity.fixed(range.lowerBound, 2)) - \(Quantity.fixed(range.upperBound, 2)) x",
        "\(Self.change(influence.low)) to \(Self.change(influence.high))",
        influence.value.provenance.rawValue,
      ])
    }
    return "What \(point.topology.rankCount) ranks, \(point.name) hang on:\n" + table.text
  }

  private static func change(_ share: Double) -> String {
    (share < 0 ? "" : "+") + Quantity.fixed(100 * share, 1) + " %"
  }

  private var remarks: [String] {
    let lines = crossovers + scaling + outside + free
    return lines.isEmpty ? [] : [""] + lines
  }

  /// The points of each number of ranks, ascending.
  private var byRanks: [(ranks: Int, points: [ProjectedPoint])] {
    Dictionary(grouping: points) { $0.topology.rankCount }.sorted { $0.key < $1.key }
      .map { (ranks: $0.key, points: $0.value) }
  }

  /// Where another case becomes the fastest.
  private var crossovers: [String] {
    guard Set(points.map(\.name)).count > 1 else { return [] }
    var lines: [String] = []
    var last: String?
    for (ranks, points) in byRanks {
      guard let best = points.min(by: { $0.typical.time < $1.typical.time }),
        best.name != last
      else { continue }
      lines.append(
        last == nil
          ? "fastest on \(ranks) ranks: \(best.name)" : "from \(ranks) ranks on: \(best.name)")
      last = best.name
    }
    return lines
  }

  /// Where ranks stop paying: the first number with less than half of the first's tokens per rank.
  private var scaling: [String] {
    var lines: [String] = []
    var seen: Set<String> = []
    for name in points.map(\.name) where seen.insert(name).inserted {
      let line = points.filter { $0.name == name }
      guard let first = line.first, line.count > 1 else { continue }
      func perRank(_ point: ProjectedPoint) -> Double {
        point.tokensPerSecond / Double(point.topology.rankCount)
      }
      if let stop = line.first(where: { perRank($0) < perRank(first) / 2 }) {
        lines.append(
          "\(name): a rank does less than half of what it does on "
            + "\(first.topology.rankCount) from \(stop.topology.rankCount) ranks on")
      }
    }
    return lines
  }

  /// Where the projection leaves what was measured.
  private var outside: [String] {
    byRanks.compactMap { ranks, points in
      let words = points.flatMap(\.outside).reduce(into: [String]()) {
        if !$0.contains($1) { $0.append($1) }
      }
      return words.isEmpty
        ? nil
        : Paragraph(
          "EXTRAPOLATED on \(ranks) ranks: " + words.joined(separator: ", "), indent: 2
        ).text
    }
  }

  private var free: [String] {
    let unstated = profile.unstated.filter { !$0.hasPrefix("other_ranks") }
    return unstated.isEmpty
      ? []
      : [
        Paragraph(
          "not in the profile, so it costs nothing: " + unstated.joined(separator: ", "), indent: 2
        ).text
      ]
  }
}
