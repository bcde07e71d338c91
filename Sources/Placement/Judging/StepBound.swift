// SPDX-License-Identifier: Apache-2.0
// epsim: what no placement can go below on some tokens.

public import CostModel
public import Workloads

/// Lower bounds on the figures of ``PlacementScore``, over all placements with given slots.
public struct StepBound: Sendable, Equatable {
  /// (sum over layers and steps of ``LoadBound``) / (sum of the mean load): nothing has a smaller
  /// load max/mean. 1 without load.
  public let loadMaxOverMean: Double
  /// Sum over layers of ``LayerTimeBound``, the mean over steps; nil without prices.
  public let stepSeconds: Double?

  /// - Parameters:
  ///   - steps: [steps][layers] the tokens of each step.
  ///   - slotsPerRank: [R]
  public init(
    steps: [[RoutingBundles]], slotsPerRank: [Int], topology: Topology, prices: LayerPrices?
  ) {
    let offsets = slotsPerRank.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    var (largest, mean, seconds) = (0.0, 0.0, 0.0)
    for bundles in steps.joined() {
      let bound = LoadBound(loads: bundles.load, slotOffsets: offsets)
      largest += bound.value
      mean += bound.mean
      if let prices {
        seconds +=
          LayerTimeBound(
            bundles, slotsPerRank: slotsPerRank, topology: topology, prices: prices
          ).time.value
      }
    }
    loadMaxOverMean = mean > 0 ? largest / mean : 1
    stepSeconds = prices.map { _ in seconds / Double(max(1, steps.count)) }
  }
}
