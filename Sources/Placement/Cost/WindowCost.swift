// SPDX-License-Identifier: Apache-2.0
// epsim: the mean time of a layer over windows.

public import CostModel
public import Workloads

/// A layer's time as the mean over windows of tokens, each with a ``BundleCost`` of its own.
///
/// A placement that is good on every window is worth more than one that is good on their sum: time
/// follows the slowest rank of each batch.
public struct WindowCost: LayerCost {
  public private(set) var windows: [BundleCost]
  public private(set) var time: Seconds

  /// Shapes: `expertOfSlot` and `rankOfSlot` [S].
  /// - Precondition: at least one window; as ``BundleCost``.
  public init(
    _ windows: [RoutingBundles], expertOfSlot: [Int32], rankOfSlot: [Int], topology: Topology,
    prices: LayerPrices
  ) {
    precondition(!windows.isEmpty, "no windows")
    self.windows = windows.map {
      BundleCost(
        $0, expertOfSlot: expertOfSlot, rankOfSlot: rankOfSlot, topology: topology, prices: prices)
    }
    time = Self.mean(self.windows)
  }

  public var rankOfSlot: [Int] { windows[0].rankOfSlot }
  /// [S] expert in each slot.
  public var expertOfSlot: [Int32] { windows[0].expertOfSlot }

  public mutating func move(slot: Int, to rank: Int) {
    for index in windows.indices { windows[index].move(slot: slot, to: rank) }
    time = Self.mean(windows)
  }

  public mutating func swap(slot: Int, with other: Int) {
    for index in windows.indices { windows[index].swap(slot: slot, with: other) }
    time = Self.mean(windows)
  }

  /// Lets a slot hold another expert.
  /// - Precondition: the expert that leaves has another slot.
  public mutating func hold(_ expert: Int, in slot: Int) {
    for index in windows.indices { windows[index].hold(expert, in: slot) }
    time = Self.mean(windows)
  }

  /// The time that a swap would lead to; the placement stays.
  public mutating func time(swapping slot: Int, with other: Int) -> Seconds {
    var sum = Seconds.zero
    for index in windows.indices { sum += windows[index].time(swapping: slot, with: other) }
    return sum / Double(windows.count)
  }

  /// The time that another expert in a slot would lead to; the placement stays.
  /// - Precondition: as ``hold(_:in:)``.
  public mutating func time(holding expert: Int, in slot: Int) -> Seconds {
    var sum = Seconds.zero
    for index in windows.indices { sum += windows[index].time(holding: expert, in: slot) }
    return sum / Double(windows.count)
  }

  private static func mean(_ windows: [BundleCost]) -> Seconds {
    windows.reduce(.zero) { $0 + $1.time } / Double(windows.count)
  }
}
