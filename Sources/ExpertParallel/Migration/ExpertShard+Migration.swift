// SPDX-License-Identifier: Apache-2.0
// epsim: experts that come to a rank and leave it.

internal import Kernels
internal import MoE

extension ExpertShard {
  /// The weights of an expert that this rank holds.
  func weights(ofExpert expert: Int, layer: Int) -> ExpertFFN.Weights {
    guard let weights = experts[key(expert, layer)] else {
      preconditionFailure("expert \(expert) of layer \(layer) is not here")
    }
    return weights
  }

  /// Room for an expert that arrives.
  func room() throws -> ExpertFFN.Weights { try expertFFN!.makeWeights() }

  /// Holds weights that arrived.
  func adopt(_ weights: ExpertFFN.Weights, expert: Int, layer: Int) {
    experts[key(expert, layer)] = weights
  }

  /// Makes experts anew that were lost.
  func make(_ lost: [Int], layer: Int) throws {
    for expert in lost { try pack(key(expert, layer)) }
  }

  /// Frees the experts of a layer that are none of these.
  func keep(_ kept: Set<Int>, ofLayer layer: Int) {
    let weightLayer = key(0, layer).weightLayer
    experts = experts.filter { $0.key.weightLayer != weightLayer || kept.contains($0.key.expert) }
  }

  /// Whether every expert of these is here, so that none will be made.
  func holdsAll(_ keys: Set<ShardKey>) -> Bool { keys.allSatisfy { experts[$0] != nil } }

  private func key(_ expert: Int, _ layer: Int) -> ShardKey {
    ShardKey(weightLayer: weights.weightLayer(of: layer), expert: expert)
  }
}
