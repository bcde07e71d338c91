// SPDX-License-Identifier: Apache-2.0
// epsim: what balancing single batches gains, and what the weights cost that it sends.

public import CostModel

/// Batches of one placement under one ``TransientRule``, or without any.
///
/// Modelled times are those of ``PricedLayer`` on the rows, and of all weights arriving before the
/// first row leaves: nothing overlaps, so that a system which hides weights does better.
public struct TransientScore: Sendable, Equatable, Codable {
  /// Layers of steps.
  public let batches: Int
  /// Batches in which anything is lent.
  public let lendingBatches: Int
  /// Balance of ranks.
  public let load: LoadSummary
  /// Mean over batches of experts whose weights are sent, one for each receiving rank.
  public let expertsPerBatch: Double
  /// Those of them that go to another node.
  public let offNodeExpertsPerBatch: Double
  /// The most experts that a rank is lent in one batch, for which it needs room.
  public let mostExpertsOfRank: Int
  /// Mean over batches of the weights sent.
  public let bytesPerBatch: Double
  /// Mean over batches of the time of the rows; nil without prices.
  public let rowSeconds: Double?
  /// Mean over batches of the time of the weights; nil without prices.
  public let weightSeconds: Double?
  /// `rowSeconds` at ``TransientScorer/scales`` times the tokens; empty without prices.
  public let scaledRowSeconds: [Double]

  /// Rows and weights; nil without prices.
  public var seconds: Double? { rowSeconds.flatMap { rows in weightSeconds.map { rows + $0 } } }

  /// How many times the tokens a batch must have at least for rows and weights to take no longer
  /// than `other`, from there up to the largest scale; nil where that is never so, or without
  /// prices.
  ///
  /// More tokens in the same proportions are lent the same experts. Between two scales the
  /// difference is taken as a straight line.
  public func scale(fromWhichFasterThan other: TransientScore) -> Double? {
    guard let weightSeconds, !scaledRowSeconds.isEmpty else { return nil }
    let scales = TransientScorer.scales
    let excess = zip(scaledRowSeconds, other.scaledRowSeconds).map { $0 + weightSeconds - $1 }
    guard let last = excess.last, last <= 0 else { return nil }
    guard let slower = excess.lastIndex(where: { $0 > 0 }) else { return scales[0] }
    let share = excess[slower] / (excess[slower] - excess[slower + 1])
    return scales[slower] + share * (scales[slower + 1] - scales[slower])
  }
}

/// Scores batch by batch.
public struct TransientScorer: Sendable {
  /// Batches of these multiples of the counted tokens are timed too.
  public static let scales = (-6...10).map { Double(sign: .plus, exponent: $0, significand: 1) }

  private let rule: TransientRule?
  private let topology: Topology
  private let prices: LayerPrices?
  private let bytesPerExpert: Bytes
  private let rowsPerExpert: Double
  private var layer: PricedLayer?
  private var ranks = LoadCounters()
  private var batches = 0
  private var lendingBatches = 0
  private var experts = 0
  private var offNodeExperts = 0
  private var mostExpertsOfRank = 0
  private var weightSeconds = 0.0
  private var rowSeconds = Array(repeating: 0.0, count: scales.count)

  /// - Parameters:
  ///   - rule: nil for batches as they are.
  ///   - widths: of the experts.
  ///   - prices: nil where no time is asked for.
  public init(
    _ rule: TransientRule?, topology: Topology, widths: ExpertWidths, prices: LayerPrices?
  ) {
    self.rule = rule
    self.topology = topology
    self.prices = prices
    bytesPerExpert = widths.bytesPerExpert
    // Without a cluster, as if computing took no time: weights against a row there and back.
    rowsPerExpert =
      prices?.rowsPerExpert(on: topology)
      ?? Double(widths.matrixCount) * Double(widths.ffnSize) / 2
    layer = prices.map { PricedLayer($0, topology: topology) }
  }

  /// Adds a batch.
  /// - Throws: as ``LentBatch``.
  public mutating func add(_ batch: ServedBatch) throws {
    let lent = try rule.map {
      try LentBatch(batch, rule: $0, topology: topology, rowsPerExpert: rowsPerExpert)
    }
    let counters = (lent?.batch ?? batch).counters(on: topology)
    let loans = lent?.loans ?? []
    batches += 1
    lendingBatches += loans.isEmpty ? 0 : 1
    experts += loans.count
    offNodeExperts += loans.count {
      topology.nodeOfRank[$0.from] != topology.nodeOfRank[$0.to]
    }
    let lentToRank = loans.reduce(into: [Int: Int]()) { $0[$1.to, default: 0] += 1 }
    mostExpertsOfRank = max(mostExpertsOfRank, lentToRank.values.max() ?? 0)
    ranks.addRanks(of: counters)
    guard let prices else { return }
    weightSeconds += prices.time(of: loans, topology: topology).value
    let times = layer!.times(counters, layerRow: 0, scales: Self.scales)
    for (index, time) in times.enumerated() { rowSeconds[index] += time.value }
  }

  /// The figures so far.
  /// - Precondition: at least one batch.
  public var score: TransientScore {
    let count = Double(batches)
    let means = rowSeconds.map { $0 / count }
    return TransientScore(
      batches: batches, lendingBatches: lendingBatches, load: ranks.summary,
      expertsPerBatch: Double(experts) / count,
      offNodeExpertsPerBatch: Double(offNodeExperts) / count,
      mostExpertsOfRank: mostExpertsOfRank,
      bytesPerBatch: bytesPerExpert.value * Double(experts) / count,
      rowSeconds: prices.map { _ in means[Self.scales.firstIndex(of: 1)!] },
      weightSeconds: prices.map { _ in weightSeconds / count },
      scaledRowSeconds: prices == nil ? [] : means)
  }
}
