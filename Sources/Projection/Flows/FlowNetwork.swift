// SPDX-License-Identifier: Apache-2.0
// epsim: links, routes over them, and the flows that share them.

public import CostModel

/// Flows of bytes over links of limited capacity.
///
/// A flow takes a route: a list of links that it uses all at once, as a stream of packets does.
/// Flows on one route that start together move alike, so they are kept together and a flow may
/// stand for any number of equal ones; that is exact, and what makes large exchanges cheap.
public struct FlowNetwork: Sendable {
  /// One direction of a cable, a port, a memory: whatever several flows may have to share.
  public struct Link: Sendable, Hashable {
    /// What it is, in words that a report can print.
    public var name: String
    /// What all its flows together can have.
    public var capacity: BytesPerSecond
  }

  public private(set) var links: [Link] = []
  /// [routes + 1] where each route starts in ``routeLinks``.
  private(set) var routeStarts: [Int32] = [0]
  private(set) var routeLinks: [Int32] = []
  private(set) var latencies: [Double] = []
  private(set) var rateCaps: [Double] = []
  /// [flows] the route of each.
  private(set) var flowRoutes: [Int32] = []
  private(set) var flowBytes: [Double] = []
  private(set) var flowCounts: [Double] = []

  public init() {}

  public var routeCount: Int { latencies.count }
  public var flowCount: Int { flowRoutes.count }

  /// Adds a link.
  /// - Returns: Its number, from 0 on.
  /// - Precondition: the capacity is above 0; it may be infinite.
  @discardableResult
  public mutating func addLink(_ name: String, capacity: BytesPerSecond) -> Int {
    precondition(capacity.value > 0, "\(name) has a capacity of \(capacity.value) B/s")
    links.append(Link(name: name, capacity: capacity))
    return links.count - 1
  }

  /// Adds a route.
  ///
  /// Links of infinite capacity never bind and are left out. A link that stands twice in a route
  /// carries every byte twice.
  /// - Parameters:
  ///   - latency: How long after its start a flow begins to share links.
  ///   - rateCap: What a single flow can have even where it is alone.
  /// - Returns: Its number, from 0 on.
  /// - Precondition: the links exist; the latency is not negative; the rate cap is above 0.
  @discardableResult
  public mutating func addRoute(
    _ route: some Sequence<Int>, latency: Seconds = .zero, rateCap: BytesPerSecond = .infinity
  ) -> Int {
    for link in route { extendRoute(link) }
    return closeRoute(latency: latency, rateCap: rateCap)
  }

  /// Leads the route that is being added over one more link; ``closeRoute(latency:rateCap:)`` must
  /// follow.
  @inline(__always)
  mutating func extendRoute(_ link: Int) {
    if links[link].capacity.value < .infinity { routeLinks.append(Int32(link)) }
  }

  /// Adds the route over the links since the last one.
  mutating func closeRoute(latency: Seconds, rateCap: BytesPerSecond = .infinity) -> Int {
    precondition(latency.value >= 0, "a latency of \(latency.value) s")
    precondition(rateCap.value > 0, "a rate cap of \(rateCap.value) B/s")
    routeStarts.append(Int32(routeLinks.count))
    latencies.append(latency.value)
    rateCaps.append(rateCap.value)
    return latencies.count - 1
  }

  /// Adds equal flows on a route; without bytes they end at once.
  /// - Parameter bytes: What each of them carries.
  /// - Precondition: the route exists; bytes are finite; neither they nor the count are negative.
  public mutating func addFlow(route: Int, bytes: Bytes, count: Int = 1) {
    precondition(route < routeCount, "route \(route) of \(routeCount)")
    precondition(
      bytes.value >= 0 && bytes.value < .infinity && count >= 0,
      "\(count) flows of \(bytes.value) B")
    flowRoutes.append(Int32(route))
    flowBytes.append(bytes.value)
    flowCounts.append(Double(count))
  }

  /// Makes room, so that adding does not move what is there.
  public mutating func reserve(routes: Int, linksPerRoute: Int, flows: Int) {
    routeStarts.reserveCapacity(routes + 1)
    routeLinks.reserveCapacity(routes * linksPerRoute)
    latencies.reserveCapacity(routes)
    rateCaps.reserveCapacity(routes)
    flowRoutes.reserveCapacity(flows)
    flowBytes.reserveCapacity(flows)
    flowCounts.reserveCapacity(flows)
  }

  /// [links] all bytes that pass each.
  public var linkBytes: [Bytes] {
    var routeBytes = [Double](repeating: 0, count: routeCount)
    for flow in flowRoutes.indices {
      routeBytes[Int(flowRoutes[flow])] += flowBytes[flow] * flowCounts[flow]
    }
    var sums = [Double](repeating: 0, count: links.count)
    for route in routeBytes.indices {
      for index in routeStarts[route]..<routeStarts[route + 1] {
        sums[Int(routeLinks[Int(index)])] += routeBytes[route]
      }
    }
    return sums.map { Bytes($0) }
  }

  /// What no sharing can undercut: the time that the busiest link needs for its bytes.
  ///
  /// Where the links are the ports of ranks, this is the port bound; with uplinks, the cut bound.
  public var bound: Seconds {
    zip(linkBytes, links).map { $0 / $1.capacity }.max() ?? .zero
  }
}
