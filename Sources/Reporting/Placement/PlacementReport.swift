// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim place` prints.

public import Placement
public import Workloads

/// A solved placement with its counters on the load that it was solved for.
public struct PlacementRecord: Encodable {
  public let name: String
  public let layers: [Int]
  public let experts: Int
  public let ranks: Int
  public let nodes: Int
  public let slots: Int
  public let slotOffsets: [Int]
  /// [layer][slot] logical expert.
  public let physicalToLogical: [[Int32]]
  /// Mean rank load / max rank load per layer, load split evenly over replicas.
  public let balancedness: [Double]
  public let balancednessMean: Double
  public let balancednessMin: Double
  /// (sum over layers of the mean) / (sum over layers of the max).
  public let sumMeanOverSumMax: Double
  /// The best balancedness that the bounds of ``certificates`` allow, per layer.
  public let balancednessBound: [Double]
  /// What bounds each layer from below.
  public let certificates: [PlacementCertificate]
  /// (sum over layers of the lower bound of the largest rank load) / (sum of the mean).
  public let maxOverMeanBound: Double
  public let maxReplicas: Int
  /// Slots whose expert their rank already holds, over all layers.
  public let uselessReplicas: Int
  /// Time that solving took, milliseconds; reading and writing files not included.
  public let solveMs: Double
  /// Load max/mean on the judged load, where only loads are known; absent without `--judge`.
  public var judgedMaxOverMean: Double?
  /// What it does on tokens; absent where only loads are known.
  public var judging: PlacementLabRecord?

  /// Load max/mean on the load that was fitted.
  public var maxOverMean: Double { sumMeanOverSumMax > 0 ? 1 / sumMeanOverSumMax : 1 }

  /// - Parameter rankSpeeds: [R] of ranks that are not alike.
  /// - Throws: `InputError` where the load does not fit the placement.
  public init(
    _ placement: ExpertPlacement, load: LoadHistogram, nodes: Int, solveMs: Double,
    rankSpeeds: [Double]? = nil
  ) throws {
    name = placement.name
    layers = placement.layers
    experts = placement.expertCount
    ranks = placement.rankCount
    self.nodes = nodes
    slots = placement.slotCount
    slotOffsets = placement.slotOffsets
    physicalToLogical = placement.physicalToLogical
    balancedness = try placement.balancedness(load)
    balancednessMean = balancedness.reduce(0, +) / Double(max(1, balancedness.count))
    balancednessMin = balancedness.min() ?? 1
    var sums = (mean: 0.0, max: 0.0)
    for row in placement.layers.indices {
      let loads = try placement.uniformRankLoads(load, layerRow: row)
      sums.mean += loads.reduce(0, +) / Double(loads.count)
      sums.max += loads.max() ?? 0
    }
    sumMeanOverSumMax = sums.max > 0 ? sums.mean / sums.max : 1
    certificates = try placement.layers.indices.map {
      try PlacementCertificate(placement, load: load, layerRow: $0, speeds: rankSpeeds)
    }
    balancednessBound = certificates.map { $0.bound > 0 ? $0.mean / $0.bound : 1 }
    let mean = certificates.reduce(0) { $0 + $1.mean }
    maxOverMeanBound = mean > 0 ? certificates.reduce(0) { $0 + $1.bound } / mean : 1
    maxReplicas =
      placement.layers.indices.map { placement.replicaCounts(layerRow: $0).max() ?? 1 }.max() ?? 1
    uselessReplicas = placement.uselessReplicaCount
    self.solveMs = solveMs
  }
}

/// A placement record as text.
public struct PlacementReport {
  private let record: PlacementRecord

  public init(_ record: PlacementRecord) { self.record = record }

  public var text: String {
    var table = TextTable([
      ("layer", .right), ("balancedness", .right), ("bound", .right),
      ("experts of rank 0, rank 1, ...", .left),
    ])
    for (row, layer) in record.layers.enumerated() {
      table.add([
        "\(layer)", Quantity.fixed(record.balancedness[row], 4),
        Quantity.fixed(record.balancednessBound[row], 4), experts(row),
      ])
    }
    let balance =
      "balancedness (mean / max rank load, replicas sharing evenly, on the load that was fitted): "
      + "mean \(Quantity.fixed(record.balancednessMean, 4)), least "
      + Quantity.fixed(record.balancednessMin, 4)
    return """
      \(record.name): \(record.experts) experts in \(record.slots) slots on \(record.ranks) ranks, \
      \(record.nodes) node\(record.nodes == 1 ? "" : "s"), \(record.layers.count) layers

      \(table.text)

      \(Paragraph(balance, indent: 2).text)
      most replicas of an expert \(record.maxReplicas), useless replicas \
      \(record.uselessReplicas), solved in \(Quantity.fixed(record.solveMs, 2)) ms\(judged)

      \(Self.certificate(record.certificates))
      """
  }

  private var judged: String {
    record.judgedMaxOverMean.map {
      "\nload max/mean: fitted \(Quantity.fixed(record.maxOverMean, 3)), judged "
        + Quantity.fixed($0, 3)
    } ?? ""
  }

  /// The experts of the first ranks, as far as the line has room.
  private func experts(_ row: Int) -> String {
    var text = ""
    for rank in 0..<record.ranks {
      let slots = record.slotOffsets[rank]..<record.slotOffsets[rank + 1]
      let next = slots.map { "\(record.physicalToLogical[row][$0])" }.joined(separator: " ")
      guard text.count + next.count < 68 else { return text.isEmpty ? "..." : text + " | ..." }
      text += (rank == 0 ? "" : " | ") + next
    }
    return text
  }
}
