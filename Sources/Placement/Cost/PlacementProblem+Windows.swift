// SPDX-License-Identifier: Apache-2.0
// epsim: the tokens of a problem, layer by layer.

internal import CostModel
internal import MoE
internal import Workloads

extension PlacementProblem {
  /// [rows of the load][windows] tokens.
  ///
  /// - Throws: ``InputError`` where only a load is known, or where the tokens are not of these
  ///   layers, experts and ranks.
  func windows(for name: String) throws -> [[RoutingBundles]] {
    let evidence = try requireEvidence(for: name)
    guard evidence.rankCount == topology.rankCount, evidence.expertCount == load.expertCount else {
      throw InputError(
        "placement \(name): the tokens are those of \(evidence.rankCount) ranks and "
          + "\(evidence.expertCount) experts, accepted are \(topology.rankCount) ranks and "
          + "\(load.expertCount) experts")
    }
    return try load.layers.map { layer in
      guard let row = evidence.layers.firstIndex(of: layer) else {
        throw InputError(
          "placement \(name): layer \(layer) has no tokens, accepted are layers "
            + "\(evidence.layers)")
      }
      return evidence.windows.map { $0[row] }
    }
  }

  /// ``slotOffsets``, checked.
  ///
  /// - Throws: ``InputError`` where the ranks have fewer slots than there are experts.
  func roomyOffsets(for name: String) throws -> [Int] {
    let offsets = slotOffsets
    guard offsets.count == topology.rankCount + 1, offsets.last! >= load.expertCount else {
      throw InputError(
        "placement \(name): \(offsets.last!) slots on \(offsets.count - 1) ranks, accepted are at "
          + "least \(load.expertCount), one per expert, on \(topology.rankCount) ranks")
    }
    return offsets
  }
}
