// SPDX-License-Identifier: Apache-2.0
// epsim: what is known about how much better one layer of a placement could be.

internal import MoE
public import Workloads

/// The largest rank load of one layer of a placement beside all that bounds it from below.
///
/// ``bound`` is of every placement with the same slots whose replicas share evenly; ``split`` of
/// every way to share the load among the copies of this one.
public struct PlacementCertificate: Sendable, Equatable, Codable {
  /// What no split over the copies of the placement gets below.
  public struct Split: Sendable, Equatable, Codable {
    /// The load of ``experts``.
    public let load: Int
    /// The ranks of the tight set, ascending; see ``SplitBound``.
    public let ranks: [Int]
    /// The experts with load that have copies on these ranks only, ascending.
    public let experts: [Int]
    /// `load` / number of `ranks`.
    public let value: Double
    /// (largest load with even shares - value) / value; 0 without load. What splitting can gain.
    public let gap: Double
  }

  /// What branch and bound found.
  public struct Search: Sendable, Equatable, Codable {
    /// The largest load of the best placement that was found.
    public let largestLoad: Double
    /// No placement is below.
    public let bound: Double
    /// Whether the two meet.
    public let isProven: Bool
  }

  /// Ranks that are not equally fast.
  public struct Speed: Sendable, Equatable, Codable {
    /// The largest load / speed of a rank, shared evenly by replicas.
    public let largest: Double
    /// No placement with these slots is below; see ``LoadBound``.
    public let bound: Double
    /// (largest - bound) / bound; 0 without load.
    public let gap: Double
  }

  /// In the model's numbering.
  public let layer: Int
  /// The largest rank load, shared evenly by replicas.
  public let largestLoad: Double
  /// Of all ranks.
  public let mean: Double
  /// See ``LoadBound``.
  public let shared: Double
  public let heaviestReplica: Double
  /// Nil where there are replicas.
  public let cardinality: Double?
  /// Nil where the layer has too many experts.
  public let search: Search?
  /// The largest of them all.
  public let bound: Double
  /// (largest load - bound) / bound; 0 without load.
  public let gap: Double
  /// Nil where the load is too large for its sums.
  public let split: Split?
  /// Nil where ranks have no speeds.
  public let speed: Speed?

  /// Layers of so few experts are searched for the best placement.
  public static let mostSearchedExperts = 16
  /// Steps of a search.
  private static let nodeLimit = 200_000

  /// Of one row of a placement.
  ///
  /// - Parameter speeds: [R] above 0; nil where ranks are alike.
  /// - Throws: ``InputError`` where the load has other experts or lacks the layer.
  public init(
    _ placement: ExpertPlacement, load: LoadHistogram, layerRow: Int, speeds: [Double]? = nil
  ) throws {
    layer = placement.layers[layerRow]
    let rankLoads = try placement.uniformRankLoads(load, layerRow: layerRow)
    largestLoad = rankLoads.max() ?? 0
    let loads = Array(load.row(load.row(ofLayer: layer)!))
    let known = LoadBound(loads: loads, slotOffsets: placement.slotOffsets)
    (mean, shared) = (known.mean, known.shared)
    heaviestReplica = known.heaviestReplica
    cardinality = placement.extraSlotCount == 0 ? known.cardinality : nil
    search =
      loads.count <= Self.mostSearchedExperts
      ? PlacementOptimum(
        loads: loads,
        slotsPerRank: (0..<placement.rankCount).map { placement.slots(ofRank: $0).count },
        isDistinct: false, nodeLimit: Self.nodeLimit
      ).map { Search(largestLoad: $0.largestLoad, bound: $0.bound, isProven: $0.isProven) } : nil
    bound = max(known.value, search?.bound ?? 0)
    gap = Self.gap(largestLoad, bound)
    speed = speeds.map { speeds in
      let largest = zip(rankLoads, speeds).map { $0 / $1 }.max() ?? 0
      let bound = LoadBound(loads: loads, slotOffsets: placement.slotOffsets, speeds: speeds).value
      return Speed(largest: largest, bound: bound, gap: Self.gap(largest, bound))
    }
    let largest = largestLoad
    split = (try? SplitBound(placement: placement, layerRow: layerRow, load: loads)).map { least in
      let tight = Set(least.ranks)
      let hosts = ReplicaHosts(placement: placement, layerRow: layerRow)
      return Split(
        load: least.load, ranks: least.ranks,
        experts: loads.indices.filter { expert in
          loads[expert] > 0 && hosts.ranks[hosts.hosts(of: expert)].allSatisfy(tight.contains)
        }, value: least.value, gap: Self.gap(largest, least.value))
    }
  }

  private static func gap(_ load: Double, _ bound: Double) -> Double {
    // Sums of even shares may be off by their last bits.
    bound > 0 && load > bound * (1 + 1e-12) ? load / bound - 1 : 0
  }
}
