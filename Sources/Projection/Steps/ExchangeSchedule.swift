// SPDX-License-Identifier: Apache-2.0
// epsim: how far an exchange stays behind what its busiest port needs.

public import CostModel
internal import Placement

/// What stands for the order in which the rows of an exchange travel.
public enum ExchangeSchedule: String, Sendable, CaseIterable {
  /// The best there is: the exchange ends when the busiest port has moved its bytes.
  case bound
  /// All rows at once, links shared max-min: ``FlowExchange``.
  case flows
  /// `MPI_Alltoallv`, everything posted at once: ``AllToAllSchedule``.
  case linear
  /// `MPI_Alltoallv`, partner after partner: ``AllToAllSchedule``.
  case pairwise

  /// The time of an exchange whose ranks enter at once; nil for the bound.
  ///
  /// - Throws: ``InputError`` for more pairs than can be followed.
  public func time(
    of traffic: TrafficMatrix, bytesPerCopy: Bytes, topology: Topology,
    network: NetworkParameters
  ) throws -> Seconds? {
    switch self {
    case .bound: nil
    case .flows:
      try FlowExchange(
        of: traffic, bytesPerCopy: bytesPerCopy, on: try FlowFabric(topology, network)
      ).total
    case .linear, .pairwise:
      AllToAllSchedule(self == .linear ? .linear : .pairwise, topology, network)
        .times(of: traffic, bytesPerCopy: bytesPerCopy).total
    }
  }
}

extension LayerLoads {
  /// Follows both exchanges of a demand by a schedule, where it is not the bound.
  ///
  /// - Precondition: no copies per node, whose two hops no schedule here follows.
  public mutating func follow(
    _ schedule: ExchangeSchedule, _ demand: LayerDemand, of projected: ProjectedCase,
    network: NetworkParameters
  ) throws {
    precondition(projected.dedup != .node, "one copy per node takes two hops")
    let traffic = demand.traffic
    let there = projected.dedup == .none ? traffic.raw : traffic.rankDedup
    let back = projected.combine == .preReduced ? there : traffic.raw
    dispatchSlowdown = slowdown(
      dispatch, network,
      time: try schedule.time(
        of: there, bytesPerCopy: projected.dispatchBytes, topology: traffic.topology,
        network: network))
    combineSlowdown = slowdown(
      combine, network,
      time: try schedule.time(
        of: back.transposed, bytesPerCopy: projected.combineBytes, topology: traffic.topology,
        network: network))
  }

  /// By how much bytes must take longer than their ports need for the busiest rank to end at a time.
  private func slowdown(
    _ loads: PortLoads, _ network: NetworkParameters, time: Seconds?
  ) -> Double {
    guard let time else { return 1 }
    // Schedules do not pay what every exchange costs.
    var bare = network
    (bare.fixed, bare.perNodeShare) = (.zero, .zero)
    let ports = bare.time(of: loads, topology: loads.topology)
    let busiest = (0..<ports.rankCount).max { ports[$0] < ports[$1] } ?? 0
    guard ports.travel[busiest] > 0 else { return 1 }
    return max(1, (time.value - ports.startUp[busiest]) / ports.travel[busiest])
  }
}
