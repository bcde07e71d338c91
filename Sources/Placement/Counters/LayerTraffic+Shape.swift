// SPDX-License-Identifier: Apache-2.0
// epsim: the shape of an exchange, from counters.

public import CostModel

extension LayerTraffic {
  /// What the exchange of this traffic is like; nil where nothing is exchanged.
  ///
  /// - Parameter rowBytes: bytes of a row to the expert and of its result back together.
  public func exchangeShape(rowBytes: Int) -> ExchangeShape? {
    guard assignments > 0 else { return nil }
    let ranks = topology.rankCount
    var pairs = 0
    for source in 0..<ranks {
      for destination in 0..<ranks where destination != source {
        if raw[source, destination] > 0 { pairs += 1 }
      }
    }
    let rows = Double(assignments)
    return ExchangeShape(
      rowsPerRank: rows / Double(ranks), rowBytes: Double(rowBytes),
      skew: Double((receivedPerRank.max() ?? 0) * ranks) / rows,
      partners: ranks == 1 ? 0 : Double(pairs) / Double(ranks * (ranks - 1)),
      offRank: Double(offRankRaw) / rows, rankCopies: rows / Double(tokenRankPairs),
      nodeCopies: rows / Double(tokenNodePairs))
  }
}
