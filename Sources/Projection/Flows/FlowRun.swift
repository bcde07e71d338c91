// SPDX-License-Identifier: Apache-2.0
// epsim: flows on their way, from event to event.

public import CostModel

extension FlowNetwork {
  /// [flows] max-min fair rates of all flows that carry something, all of them under way; zero for
  /// the others.
  public func fairRates() -> [BytesPerSecond] {
    var rates = [BytesPerSecond](repeating: .zero, count: flowCount)
    var run = FlowRun(of: self, window: 0)
    for part in 0..<run.parts.count { run.rates(part, &rates) }
    return rates
  }
}

/// The flows of a network on their way, one part after the other.
struct FlowRun {
  let parts: FlowParts
  private(set) var fillings = 0
  private var sharing: MaxMinSharing
  private let network: FlowNetwork
  /// Flows that carry something by route, the smallest first, and where each route's start.
  private let members: [Int32]
  private let memberStarts: [Int32]
  /// [routes] the smallest flow that is under way, in ``members``.
  private var next: [Int32]
  /// [routes] bytes that each flow under way has moved.
  private var moved: [Double]
  private let window: Double

  // Of the part that is on its way.
  private var links: ArraySlice<Int32> = []
  private var capped: [Int32] = []
  /// Routes under way.
  private var active: [Int32] = []
  /// Routes by their latency, and the first that has not begun.
  private var byLatency: [Int32] = []
  private var begun = 0
  private var now = 0.0
  private var end = 0.0
  private var lastLimit: Int32 = -1

  /// - Parameter window: Ends within it count as one event; s.
  init(of network: FlowNetwork, window: Double) {
    (members, memberStarts) = network.membersByRoute()
    let starts = memberStarts
    parts = FlowParts(
      of: network, carries: (0..<network.routeCount).map { starts[$0] < starts[$0 + 1] })
    self.network = network
    sharing = MaxMinSharing(network)
    next = memberStarts
    moved = Array(repeating: 0, count: network.routeCount)
    self.window = window
  }

  /// Starts all flows of a part and finds their rates once.
  mutating func rates(_ part: Int, _ rates: inout [BytesPerSecond]) {
    prepare(part)
    while begun < byLatency.count { begin() }
    sharing.fill(active: active, capped: capped, links: links)
    for route in active {
      for index in memberStarts[Int(route)]..<memberStarts[Int(route) + 1] {
        rates[Int(members[Int(index)])] = BytesPerSecond(sharing.rates[Int(route)])
      }
    }
  }

  /// Follows all flows of a part to their ends.
  /// - Returns: When the last one ends, and the link that it waits for.
  mutating func finish(_ part: Int, _ finish: inout [Seconds]) -> (end: Double, limit: Int?) {
    prepare(part)
    while begun < byLatency.count || !active.isEmpty {
      if active.isEmpty { now = max(now, nextLatency) }
      while begun < byLatency.count, nextLatency <= now { begin() }
      sharing.fill(active: active, capped: capped, links: links)
      fillings += 1
      advance(&finish)
    }
    return (end, lastLimit < 0 ? nil : Int(lastLimit))
  }

  private mutating func prepare(_ part: Int) {
    let routes = parts.routes[parts.routeStarts[part]..<parts.routeStarts[part + 1]]
    links = parts.links[parts.linkStarts[part]..<parts.linkStarts[part + 1]]
    let (latencies, caps) = (network.latencies, network.rateCaps)
    byLatency = Array(routes)
    if let first = routes.first,
      routes.contains(where: { latencies[Int($0)] != latencies[Int(first)] })
    {
      byLatency.sort { (latencies[Int($0)], $0) < (latencies[Int($1)], $1) }
    }
    capped = routes.filter { caps[Int($0)] < .infinity }
      .sorted { (caps[Int($0)], $0) < (caps[Int($1)], $1) }
    active.removeAll(keepingCapacity: true)
    (begun, now, end, lastLimit) = (0, 0, 0, -1)
  }

  private var nextLatency: Double {
    begun < byLatency.count ? network.latencies[Int(byLatency[begun])] : .infinity
  }

  private mutating func begin() {
    let route = Int(byLatency[begun])
    begun += 1
    var weight = 0.0
    for index in memberStarts[route]..<memberStarts[route + 1] {
      weight += network.flowCounts[Int(members[Int(index)])]
    }
    sharing.setWeight(weight, ofRoute: route)
    active.append(Int32(route))
  }

  /// Goes on to the next event: the next ends, or the next start.
  private mutating func advance(_ finish: inout [Seconds]) {
    var first = Double.infinity
    for route in active { first = min(first, timeLeft(Int(route))) }
    let untilStart = nextLatency - now
    let latest = min(first + window, untilStart)
    // The event is the last end within the window; what ended before it keeps its own time.
    var step = first <= latest ? first : untilStart
    for route in active where timeLeft(Int(route)) <= latest {
      step = max(step, endFlows(Int(route), upTo: latest, &finish))
    }
    var kept = 0
    for index in active.indices {
      let route = Int(active[index])
      guard next[route] < memberStarts[route + 1] else { continue }
      moved[route] += sharing.rates[route] * step
      active[kept] = Int32(route)
      kept += 1
    }
    active.removeLast(active.count - kept)
    now = first <= latest ? now + step : nextLatency
  }

  /// Ends the flows of a route that need no longer than said.
  /// - Returns: When the last of them ends, from now.
  private mutating func endFlows(
    _ route: Int, upTo latest: Double, _ finish: inout [Seconds]
  ) -> Double {
    let stop = memberStarts[route + 1]
    var (left, last) = (timeLeft(route), 0.0)
    var weight = sharing.weights[route]
    while left <= latest {
      let flow = Int(members[Int(next[route])])
      let time = now + left
      finish[flow] = Seconds(time)
      if time > end * (1 + 1e-9) || end == 0 { lastLimit = sharing.limits[route] }
      end = max(end, time)
      last = left
      weight -= network.flowCounts[flow]
      next[route] += 1
      guard next[route] < stop else { break }
      left = timeLeft(route)
    }
    // Exactly none where all have ended, however many they were.
    sharing.setWeight(next[route] < stop ? weight : 0, ofRoute: route)
    return last
  }

  /// Until the smallest flow of a route ends.
  @inline(__always)
  private func timeLeft(_ route: Int) -> Double {
    let flow = Int(members[Int(next[route])])
    let (rate, left) = (sharing.rates[route], network.flowBytes[flow] - moved[route])
    return rate == .infinity || left <= 0 ? 0 : left / rate
  }
}

extension FlowNetwork {
  /// The flows that carry something, by route, the smallest first; where each route's start.
  fileprivate func membersByRoute() -> (flows: [Int32], starts: [Int32]) {
    var starts = [Int32](repeating: 0, count: routeCount + 1)
    for flow in 0..<flowCount where carries(flow) { starts[Int(flowRoutes[flow]) + 1] += 1 }
    for route in 0..<routeCount { starts[route + 1] += starts[route] }
    var flows = [Int32](repeating: 0, count: Int(starts[routeCount]))
    var next = starts
    for flow in 0..<flowCount where carries(flow) {
      let route = Int(flowRoutes[flow])
      flows[Int(next[route])] = Int32(flow)
      next[route] += 1
    }
    for route in 0..<routeCount where starts[route + 1] - starts[route] > 1 {
      flows[Int(starts[route])..<Int(starts[route + 1])].sort {
        (flowBytes[Int($0)], $0) < (flowBytes[Int($1)], $1)
      }
    }
    return (flows, starts)
  }

  private func carries(_ flow: Int) -> Bool { flowBytes[flow] > 0 && flowCounts[flow] > 0 }
}
