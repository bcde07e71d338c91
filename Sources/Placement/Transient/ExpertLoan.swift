// SPDX-License-Identifier: Apache-2.0
// epsim: weights of experts that travel between ranks for one batch, and what they take.

public import CostModel

/// An expert whose weights one rank sends another for one batch.
public struct ExpertLoan: Sendable, Equatable {
  public let expert: Int
  public let from: Int
  public let to: Int

  public init(expert: Int, from: Int, to: Int) {
    self.expert = expert
    self.from = from
    self.to = to
  }
}

extension LayerPrices {
  /// The time until the weights of all loans of a batch have arrived.
  ///
  /// By ``PortModel``: an expert is one message, messages of a port follow one another, ports work
  /// at the same time.
  public func time(of loans: [ExpertLoan], topology: Topology) -> Seconds {
    guard !loans.isEmpty else { return .zero }
    var loads = PortLoads(
      topology: topology, nodesPerLeaf: network.leaves?.nodesPerLeaf,
      bytesPerCopy: widths.bytesPerExpert)
    for loan in loans { loads.add(copies: 1, messages: 1, from: loan.from, to: loan.to) }
    return network.time(of: loads, topology: topology).total
  }

  /// Rows that take as long as the weights of one expert on their way to all ranks:
  ///
  ///     (weights / bandwidth) / (work of a row / rate + (bytes there + bytes back) / bandwidth)
  ///
  /// with the best rate of the slowest rank, and the bandwidth of large messages between nodes, or
  /// inside where there is one node. Source: the terms of FasterMoE's `shadow_policy.py`, forwards.
  public func rowsPerExpert(on topology: Topology) -> Double {
    let link = topology.nodeCount > 1 ? network.between : network.inside
    let bandwidth = link.segments[link.segments.count - 1].bandwidth
    let products =
      ranks.map { rank in
        widths.workPerRow / ExpertTime(rank, widths).bestRate(upTo: .infinity) / rank.speed
      }.max() ?? .zero
    let row = products + (dispatchBytes + combineBytes) / bandwidth
    return row > .zero ? widths.bytesPerExpert / bandwidth / row : 0
  }
}
