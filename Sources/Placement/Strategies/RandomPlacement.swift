// SPDX-License-Identifier: Apache-2.0
// epsim: shuffled experts, the yardstick that knows nothing.

internal import CostModel
internal import MoE
internal import Workloads

/// Experts of each layer in an order shuffled by (seed, layer), cut into blocks.
public struct RandomPlacement: PlacementStrategy {
  /// Keeps this stream apart from those of routing, weights and inputs.
  private static let purpose: UInt64 = 0x2019

  /// The seed of the shuffles.
  public let seed: UInt64

  public init(seed: UInt64) {
    self.seed = seed
  }

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    try problem.requireOneSlotPerExpert(for: name)
    let experts = problem.load.expertCount
    let key = CounterRandom(seed: seed, Self.purpose).key
    return try ExpertPlacement(
      name: name, layers: problem.load.layers, expertCount: experts,
      slotOffsets: problem.slotOffsets,
      physicalToLogical: problem.load.layers.map { layer in
        var row = (0..<Int32(experts)).map { $0 }
        var random = RandomDraws(key: key, number: layer)
        random.shuffle(&row)
        return row
      })
  }
}
