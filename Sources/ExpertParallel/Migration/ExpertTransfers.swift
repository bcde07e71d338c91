// SPDX-License-Identifier: Apache-2.0
// epsim: which experts must move between which ranks when the placement changes.

public import CostModel
public import Placement

/// What moves in one layer: an expert goes to every rank that shall hold it and does not.
///
/// A second slot with an expert that its rank holds already costs nothing: slots share its weights.
/// Source of an expert is a rank that held it before, of the destination's node where there is one,
/// among these the one that sends least so far, ties to the lowest rank.
public struct ExpertTransfers: Sendable, Equatable {
  /// One expert from one rank to another.
  public struct Transfer: Sendable, Equatable {
    public let expert: Int
    public let source: Int
    public let destination: Int

    public init(expert: Int, source: Int, destination: Int) {
      (self.expert, self.source, self.destination) = (expert, source, destination)
    }
  }

  /// In ascending order of expert, then destination: the same on every rank.
  public let transfers: [Transfer]
  /// Experts that no rank holds any more, with the rank that makes each anew: it holds the expert
  /// from now on, or is the first of several that will.
  public let lost: [Transfer]

  /// Plans a layer.
  ///
  /// - Parameters:
  ///   - lostRanks: ranks whose experts are gone.
  /// - Precondition: both placements have the layer, the same experts and the topology's ranks.
  public init(
    from old: ExpertPlacement, to new: ExpertPlacement, layer: Int, topology: Topology,
    lostRanks: Set<Int> = []
  ) {
    precondition(
      old.expertCount == new.expertCount && old.rankCount == new.rankCount
        && old.rankCount == topology.rankCount,
      "placements of \(old.expertCount) and \(new.expertCount) experts on \(old.rankCount), "
        + "\(new.rankCount) and \(topology.rankCount) ranks")
    let before = Self.holders(old, layer: layer)
    let after = Self.holders(new, layer: layer)
    var sent = Array(repeating: 0, count: topology.rankCount)
    var transfers: [Transfer] = []
    var lost: [Transfer] = []
    for expert in before.indices {
      var sources = before[expert].filter { !lostRanks.contains($0) }
      let missing = after[expert].filter { !sources.contains($0) }
      if sources.isEmpty, let maker = missing.first {
        lost.append(Transfer(expert: expert, source: maker, destination: maker))
        sources = [maker]
      }
      for destination in missing where !sources.contains(destination) {
        let node = topology.nodeOfRank[destination]
        let near = sources.filter { topology.nodeOfRank[$0] == node }
        let source = (near.isEmpty ? sources : near).min { (sent[$0], $0) < (sent[$1], $1) }!
        sent[source] += 1
        transfers.append(Transfer(expert: expert, source: source, destination: destination))
      }
    }
    (self.transfers, self.lost) = (transfers, lost)
  }

  /// [E] the ranks that hold each expert, ascending.
  private static func holders(_ placement: ExpertPlacement, layer: Int) -> [[Int]] {
    let row = placement.row(ofLayer: layer)!
    var holders = Array(repeating: [Int](), count: placement.expertCount)
    for rank in 0..<placement.rankCount {
      for expert in placement.experts(onRank: rank, layerRow: row) { holders[expert].append(rank) }
    }
    return holders
  }
}
