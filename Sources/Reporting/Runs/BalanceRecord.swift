// SPDX-License-Identifier: Apache-2.0
// epsim: balance losses and signals of a layer, as `epsim run --losses` prints them.

public import MoE

/// The losses and signals of one layer in one step over all ranks; docs/routers.md has the formulas.
///
/// Losses that multiply probabilities are null where choices are looked up and none are known.
public struct BalanceRecord: Codable, Sendable {
  public var layer: Int
  /// Tokens of a sequence of the per-sequence loss.
  public var sequenceLength: Int
  /// sum f P over all tokens, f = E load / (K T): f is added up over ranks before the product. 1 where balanced.
  @ExplicitNull public var auxiliaryGlobal: Double? = nil
  /// The mean of each rank's own product: what comes of reducing after it.
  @ExplicitNull public var auxiliaryPerRank: Double? = nil
  /// The mean of each sequence's own product.
  @ExplicitNull public var auxiliaryPerSequence: Double? = nil
  @ExplicitNull public var zLoss: Double? = nil
  /// DeepSeek-V2's device-level balance loss, devices being the ranks of contiguous placement.
  @ExplicitNull public var deviceLoss: Double? = nil
  /// DeepSeek-V2's communication balance loss.
  @ExplicitNull public var communicationLoss: Double? = nil
  /// Squared coefficient of variation of the loads, and of the weights (importance).
  public var loadCvSquared: Double
  public var importanceCvSquared: Double
  /// Entropy of the load over log E.
  public var loadEntropy: Double
  /// Busiest expert over the mean.
  public var expertMaxOverMean: Double

  /// - Parameters:
  ///   - byRank: sums with a segment per rank.
  ///   - sequenceLoss: the mean over sequences of their auxiliary loss.
  ///   - openDevices: M of the communication loss.
  public init(
    layer: Int, byRank: BalanceSums, sequenceLoss: Double, sequenceLength: Int,
    hasProbabilities: Bool, openDevices: Int
  ) {
    let total = byRank.total
    self.layer = layer
    self.sequenceLength = sequenceLength
    loadCvSquared = total.loadVariation
    importanceCvSquared = total.importanceVariation
    loadEntropy = total.normalisedLoadEntropy
    expertMaxOverMean = total.maxOverMean
    guard hasProbabilities else { return }
    auxiliaryGlobal = byRank.globalLoss
    auxiliaryPerRank = byRank.segmentLoss
    auxiliaryPerSequence = sequenceLoss
    zLoss = total.zLoss
    deviceLoss = total.deviceLoss
    communicationLoss = total.communicationLoss(openDevices: openDevices)
  }
}

/// Losses and signals as a table.
struct BalanceTable {
  private let records: [BalanceRecord]

  init(_ records: [BalanceRecord]) { self.records = records }

  /// Empty without records.
  var text: String {
    guard let first = records.first else { return "" }
    var table = TextTable([
      ("layer", .left), ("auxiliary\nglobal", .right), ("mean of\nranks", .right),
      ("mean of\nsequences", .right), ("z-loss", .right), ("device\nloss", .right),
      ("communic.\nloss", .right), ("load\nCV^2", .right), ("weight\nCV^2", .right),
      ("entropy\n/ log E", .right), ("expert\nmax/mean", .right),
    ])
    func text(_ value: Double?) -> String { value.map { Quantity.fixed($0, 4) } ?? "n/a" }
    for record in records {
      table.add([
        "\(record.layer)", text(record.auxiliaryGlobal), text(record.auxiliaryPerRank),
        text(record.auxiliaryPerSequence), text(record.zLoss), text(record.deviceLoss),
        text(record.communicationLoss), text(record.loadCvSquared),
        text(record.importanceCvSquared), text(record.loadEntropy),
        Quantity.fixed(record.expertMaxOverMean, 2),
      ])
    }
    let legend =
      first.auxiliaryGlobal == nil
      ? "Losses need the router's probabilities, which looked-up choices lack (--workload router); "
        + "loads are what capacity leaves."
      : "Auxiliary losses without coefficient, 1 where balanced. Global: loads are added up over the "
        + "ranks before the product with the probabilities; mean of ranks: each rank multiplies its "
        + "own, which asks every rank's batch to be balanced; mean of sequences: each sequence of "
        + "\(first.sequenceLength) tokens its own. One step, before capacity drops anything."
    return table.text + "\n\n" + Paragraph(legend, indent: 2).text
  }
}
