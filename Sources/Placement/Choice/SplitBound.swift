// SPDX-License-Identifier: Apache-2.0
// epsim: the smallest load of the fullest rank that any split over given copies can reach.

internal import MoE

/// The exact min-max split of a layer's load over the copies of a placement, as a fraction.
///
/// L* is the largest mean, over sets of ranks, of the load of experts that have no copy elsewhere;
/// the set is its certificate. Source: Dinkelbach's method on a maximum flow; the objective is that
/// of LPLB (deepseek-ai).
public struct SplitBound: Sendable, Equatable {
  /// L* = `load` / `ranks.count`.
  public let load: Int
  /// The tight set, ascending: no split gives its ranks less on average. All ranks where L* is the
  /// mean.
  public let ranks: [Int]

  /// L* in assignments.
  public var value: Double { Double(load) / Double(ranks.count) }
  /// The smallest load of the fullest rank in whole assignments, L* rounded up.
  public var wholeValue: Int { (load + ranks.count - 1) / ranks.count }

  /// Solves one row of a placement.
  ///
  /// - Parameter load: [E] assignments of each expert.
  /// - Throws: ``InputError`` where the load times the ranks is beyond 64 bits.
  public init(placement: ExpertPlacement, layerRow: Int, load: some Collection<Int>) throws {
    precondition(
      load.count == placement.expertCount, "\(load.count) loads of \(placement.expertCount)")
    let hosts = ReplicaHosts(placement: placement, layerRow: layerRow)
    let rankCount = hosts.rankCount
    var flow = SplitFlow(
      hosts: hosts, classCount: 1, costs: Array(repeating: 0, count: rankCount))
    let sum = load.reduce((value: 0, overflows: false)) {
      let next = $0.value.addingReportingOverflow($1)
      return (next.partialValue, $0.overflows || next.overflow)
    }
    guard !sum.overflows, !sum.value.multipliedReportingOverflow(by: rankCount).overflow else {
      throw InputError(
        "placement \(placement.name): the load of layer \(placement.layers[layerRow]) on "
          + "\(rankCount) ranks is too large to split, accepted are sums below 2^63 / ranks")
    }
    var tight = (load: sum.value, ranks: Array(0..<rankCount))
    while true {
      // In units of 1 / ranks of the set, so that the limit is a whole number.
      flow.clear()
      for (expert, count) in load.enumerated() {
        flow.deal(count * tight.ranks.count, ofClass: 0, expert: expert)
      }
      guard let stuck = flow.lower(to: tight.load) else { break }
      let ranks = (0..<rankCount).filter { flow.lengths[$0] != SplitFlow.unreached }
      tight = (stuck.load / tight.ranks.count, ranks)
    }
    (self.load, ranks) = tight
  }
}
