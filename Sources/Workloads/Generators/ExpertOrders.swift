// SPDX-License-Identifier: Apache-2.0
// epsim: a random order of the experts in each layer.

internal import MoE

/// Independent random orders of E experts, one per layer, made from the seed.
struct ExpertOrders: Sendable {
  private let expertCount: Int
  /// [layers, E] expert at each place.
  private let experts: [Int32]

  /// - Parameter stream: keeps the orders of different uses apart.
  init(expertCount: Int, layerCount: Int, seed: UInt64, stream: UInt64) {
    self.expertCount = expertCount
    let key = CounterRandom(seed: seed, stream).key
    experts = (0..<layerCount).flatMap { layer in
      var experts = (0..<Int32(expertCount)).map { $0 }
      var random = RandomDraws(key: key, number: layer)
      random.shuffle(&experts)
      return experts
    }
  }

  /// The expert at a place of a layer's order.
  @inline(__always)
  func expert(layer: Int, place: Int32) -> Int32 { experts[layer * expertCount + Int(place)] }
}
