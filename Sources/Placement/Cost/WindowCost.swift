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
  /// The last swap or hold, with the times before it.
  private var last: (slot: Int, other: Int?, expert: Int32)?
  private var before: [Seconds] = []

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
    last = nil
    for index in windows.indices { windows[index].move(slot: slot, to: rank) }
    time = Self.mean(windows)
  }

  public mutating func swap(slot: Int, with other: Int) {
    remember(slot: slot, other: other)
    for index in windows.indices { windows[index].swap(slot: slot, with: other) }
    time = Self.mean(windows)
  }

  /// Lets a slot hold another expert.
  /// - Precondition: the expert that leaves has another slot.
  public mutating func hold(_ expert: Int, in slot: Int) {
    remember(slot: slot, other: nil)
    for index in windows.indices { windows[index].hold(expert, in: slot) }
    time = Self.mean(windows)
  }

  /// Takes the last swap or hold back, without evaluating anything.
  /// - Precondition: there was one, and no other change since.
  mutating func takeBack() {
    guard let last else { preconditionFailure("no change to take back") }
    for index in windows.indices {
      if let other = last.other {
        windows[index].swapBack(slot: last.slot, with: other, to: before[index])
      } else {
        windows[index].giveBack(Int(last.expert), slot: last.slot, to: before[index])
      }
    }
    self.last = nil
    time = Self.mean(windows)
  }

  private mutating func remember(slot: Int, other: Int?) {
    last = (slot, other, expertOfSlot[slot])
    before.removeAll(keepingCapacity: true)
    for window in windows { before.append(window.time) }
  }

  private static func mean(_ windows: [BundleCost]) -> Seconds {
    windows.reduce(.zero) { $0 + $1.time } / Double(windows.count)
  }
}
