// SPDX-License-Identifier: Apache-2.0
// epsim: what no placement can go below on some tokens.

public import CostModel
public import Workloads

/// Lower bounds on the figures of ``PlacementScore``, over all placements with given slots.
public struct StepBound: Sendable, Equatable {
  /// (sum over layers and steps of ``LoadBound``) / (sum of the mean load): nothing has a smaller
  /// load max/mean. 1 without load.
  public let loadMaxOverMean: Double
  /// Sum over layers of ``LayerTimeBound``, per step; nil without prices.
  public let stepSeconds: Double?

  /// Bounds of load and time.
  ///
  /// - Parameters:
  ///   - steps: [steps][layers] the tokens of each step.
  ///   - slotsPerRank: [R]
  public init(
    steps: [[RoutingBundles]], slotsPerRank: [Int], topology: Topology, prices: LayerPrices
  ) {
    loadMaxOverMean = Self.load(steps.joined().lazy.map(\.load), slotsPerRank: slotsPerRank)
    // One placement serves all steps: its traffic is bounded on all of them together.
    let seconds = (steps.first ?? []).indices.reduce(0.0) { sum, layer in
      sum
        + LayerTimeBound(
          steps.map { $0[layer] }, slotsPerRank: slotsPerRank, topology: topology, prices: prices
        ).time.value
    }
    stepSeconds = seconds / Double(max(1, steps.count))
  }

  /// The bound of load alone.
  ///
  /// - Parameters:
  ///   - loads: those of each step.
  ///   - slotsPerRank: [R]
  public init(loads: [LoadHistogram], slotsPerRank: [Int]) {
    let rows = loads.lazy.flatMap { load in
      load.layers.indices.lazy.map { Array(load.row($0)) }
    }
    loadMaxOverMean = Self.load(rows, slotsPerRank: slotsPerRank)
    stepSeconds = nil
  }

  private static func load(
    _ loads: some Sequence<[Int]>, slotsPerRank: [Int]
  ) -> Double {
    let offsets = slotsPerRank.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    var (largest, mean) = (0.0, 0.0)
    for load in loads {
      let bound = LoadBound(loads: load, slotOffsets: offsets)
      largest += bound.value
      mean += bound.mean
    }
    return mean > 0 ? largest / mean : 1
  }
}
