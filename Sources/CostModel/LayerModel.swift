// SPDX-License-Identifier: Apache-2.0
// epsim: the time of a layer from its traffic and load.

/// A layer on a cluster: ports, experts and copies, prepared for many evaluations.
///
/// All ranks begin at once. Allocates nothing after `init`.
public struct LayerModel: Sendable {
  /// [R]
  public let experts: [ExpertTime]
  /// A row on its way to an expert.
  public let dispatchBytes: Bytes
  /// A result on its way back.
  public let combineBytes: Bytes
  /// Of dispatch.
  public let hops: ExchangeHops
  /// Of combine.
  public let combineHops: ExchangeHops
  /// The layer that was evaluated last.
  public private(set) var work: LayerWork
  /// Its phases, rank by rank.
  public private(set) var recursion: LayerRecursion
  private var ports: PortModel

  /// - Precondition: parameters of every rank.
  public init(
    _ network: NetworkParameters, topology: Topology, ranks: [RankParameters],
    widths: ExpertWidths, dispatchBytes: Bytes, combineBytes: Bytes,
    hops: ExchangeHops = .pipelined, combineHops: ExchangeHops? = nil
  ) {
    precondition(
      ranks.count == topology.rankCount, "\(ranks.count) ranks for \(topology.rankCount)")
    ports = PortModel(network, topology: topology)
    experts = ranks.map { ExpertTime($0, widths) }
    self.dispatchBytes = dispatchBytes
    self.combineBytes = combineBytes
    self.hops = hops
    self.combineHops = combineHops ?? hops
    work = LayerWork(rankCount: ranks.count)
    work.overlapFactor = network.overlapFactor
    recursion = LayerRecursion(rankCount: ranks.count)
  }

  public var network: NetworkParameters { ports.network }
  public var topology: Topology { ports.topology }

  /// No traffic, of rows of this layer.
  public var emptyLoads: PortLoads {
    PortLoads(
      topology: topology, nodesPerLeaf: network.leaves?.nodesPerLeaf, bytesPerCopy: dispatchBytes)
  }

  /// The time of a layer from the first rank's begin to the last one's end, where rows travel one
  /// per assignment and results return alike.
  ///
  /// Shapes: `assignments` [R] of each rank's tokens; `loads` and `slots` of these ranks.
  public mutating func time(
    assignments: [Double], loads: PortLoads, slots: SlotLoads
  ) -> Seconds {
    for rank in 0..<work.rankCount {
      setTokens(assignments[rank], of: rank)
      setExperts(rows: slots.rows[rank], active: slots.active[rank], of: rank)
    }
    return time(loads)
  }

  /// Sets what a rank does for its own tokens.
  public mutating func setTokens(_ assignments: Double, of rank: Int) {
    let own = experts[rank].rank
    work.local[.plan, rank] = own.planTime(assignments: assignments)
    work.local[.pack, rank] = own.copyTime(dispatchBytes * assignments)
    work.local[.reduce, rank] = own.copyTime(combineBytes * assignments)
  }

  /// Sets what a rank does for the tokens of all: its slots have these rows each.
  public mutating func setExperts(rowsPerSlot: [Double], of rank: Int) {
    let rows = rowsPerSlot.reduce(0, +)
    work.local[.group, rank] = experts[rank].rank.copyTime(dispatchBytes * rows)
    work.local[.expert, rank] = experts[rank].time(rowsPerExpert: rowsPerSlot)
    work.local[.ungroup, rank] = experts[rank].rank.copyTime(combineBytes * rows)
  }

  /// The same for slots that share the rows evenly.
  mutating func setExperts(rows: Double, active: Double, of rank: Int) {
    work.local[.group, rank] = experts[rank].rank.copyTime(dispatchBytes * rows)
    work.local[.expert, rank] = experts[rank].time(rows: rows, active: active)
    work.local[.ungroup, rank] = experts[rank].rank.copyTime(combineBytes * rows)
  }

  /// The time with what was set.
  mutating func time(_ loads: PortLoads) -> Seconds {
    time(dispatch: loads, returning: loads)
  }

  /// The time with what was set.
  ///
  /// - Parameter returning: what combine sends back to where it came from, with sides as of dispatch.
  public mutating func time(dispatch loads: PortLoads, returning results: PortLoads) -> Seconds {
    ports.evaluate(loads, hops: hops, into: &work.dispatch)
    ports.evaluate(
      results.reversed(bytesPerCopy: combineBytes), hops: combineHops, into: &work.combine)
    recursion.begin()
    return recursion.advance(work)
  }
}
