// SPDX-License-Identifier: Apache-2.0
// epsim: when flows end that share links.

public import CostModel

/// When each flow of a network ends, and what held up the last one.
///
/// A flow pays its latency first and shares links after that. Rates are max-min fair and change
/// when flows start and end.
public struct FlowTimes: Sendable {
  /// [flows] from the common start; zero for flows without bytes.
  public internal(set) var finish: [Seconds]
  /// The last.
  public internal(set) var total: Seconds = .zero
  /// The link that the last flow waits for as it ends; nil where none does: nothing flows, or
  /// only latency and the flow's own cap count.
  public internal(set) var limit: Int?
  /// Share of the time that the limit spends on its bytes, 0 to 1.
  public internal(set) var limitBusy: Double = 0
  /// The time that the busiest link needs for its bytes, whatever the sharing.
  public internal(set) var bound: Seconds
  /// How often rates were found, over all parts of the network.
  public internal(set) var fillings = 0

  /// Lets all flows start together and follows them to their ends.
  ///
  /// - Parameter resolution: Share of ``bound`` within which ends count as one event. Freed
  ///   capacity lies idle until its event, so a coarse resolution overestimates, and never goes
  ///   below the bound; the default only joins ends that differ by rounding.
  /// - Complexity: every event costs the routes of its part.
  /// - Precondition: the resolution is not negative.
  public init(of network: FlowNetwork, resolution: Double = 1e-12) {
    precondition(resolution >= 0, "a resolution of \(resolution)")
    let linkBytes = network.linkBytes
    bound = zip(linkBytes, network.links).map { $0 / $1.capacity }.max() ?? .zero
    finish = Array(repeating: .zero, count: network.flowCount)
    // Without end, every event is the last.
    let window = bound.value < .infinity ? resolution * bound.value : .infinity
    for part in network.parts() {
      var run = PartRun(part, of: network, window: window)
      run.finish { flow, time in finish[flow] = Seconds(time) }
      fillings += run.fillings
      let isLater = run.end > total.value * (1 + 1e-9)
      total = max(total, Seconds(run.end))
      guard isLater else { continue }
      limit = run.lastLimit < 0 ? nil : Int(part.linkNumbers[Int(run.lastLimit)])
    }
    if let limit {
      limitBusy = min(1, linkBytes[limit] / network.links[limit].capacity / total)
    }
  }
}

extension FlowNetwork {
  /// [flows] max-min fair rates of all flows that carry something, all of them under way; zero for
  /// the others.
  public func fairRates() -> [BytesPerSecond] {
    var rates = [BytesPerSecond](repeating: .zero, count: flowCount)
    for part in parts() {
      var run = PartRun(part, of: self, window: 0)
      run.rates { flow, rate in rates[flow] = BytesPerSecond(rate) }
    }
    return rates
  }
}

/// The flows of one part on their way.
private struct PartRun {
  private var sharing: MaxMinSharing
  private let bytes: [Double]
  private let counts: [Double]
  /// [routes] the smallest flow that is under way, in the part's members.
  private var next: [Int32]
  /// [routes] flows under way.
  private var weights: [Double]
  /// [routes] bytes that each flow under way has moved.
  private var moved: [Double]
  /// Routes under way.
  private var active: [Int32] = []
  /// Routes by their latency, and the first that has not begun.
  private let byLatency: [Int32]
  private var begun = 0
  private var now = 0.0
  private let window: Double

  private(set) var fillings = 0
  /// When the last flow ends, and the link that it waited for, as the part numbers it; of ends that
  /// differ by rounding the first in the order of routes.
  private(set) var end = 0.0
  private(set) var lastLimit: Int32 = -1

  init(_ part: FlowPart, of network: FlowNetwork, window: Double) {
    sharing = MaxMinSharing(part)
    bytes = part.members.map { network.flowBytes[Int($0)] }
    counts = part.members.map { network.flowCounts[Int($0)] }
    next = Array(part.memberStarts[..<part.routeCount])
    weights = Array(repeating: 0, count: part.routeCount)
    moved = weights
    for route in 0..<part.routeCount {
      for member in part.memberStarts[route]..<part.memberStarts[route + 1] {
        weights[route] += counts[Int(member)]
      }
    }
    byLatency = (0..<Int32(part.routeCount)).sorted {
      (part.latencies[Int($0)], $0) < (part.latencies[Int($1)], $1)
    }
    active.reserveCapacity(part.routeCount)
    self.window = window
  }

  /// Starts everything and finds the rates once.
  mutating func rates(_ report: (_ flow: Int, _ rate: Double) -> Void) {
    while begun < byLatency.count { begin() }
    sharing.fill(active: active[...])
    for route in 0..<sharing.part.routeCount {
      for member in sharing.part.memberStarts[route]..<sharing.part.memberStarts[route + 1] {
        report(Int(sharing.part.members[Int(member)]), sharing.rates[route])
      }
    }
  }

  /// Follows all flows to their ends.
  mutating func finish(_ report: (_ flow: Int, _ time: Double) -> Void) {
    while begun < byLatency.count || !active.isEmpty {
      if active.isEmpty { now = max(now, nextLatency) }
      while begun < byLatency.count, nextLatency <= now { begin() }
      sharing.fill(active: active[...])
      fillings += 1
      advance(report)
    }
  }

  private var nextLatency: Double {
    begun < byLatency.count ? sharing.part.latencies[Int(byLatency[begun])] : .infinity
  }

  private mutating func begin() {
    let route = Int(byLatency[begun])
    begun += 1
    sharing.setWeight(weights[route], ofRoute: route)
    active.append(Int32(route))
  }

  /// Goes on to the next event: the next ends, or the next start.
  private mutating func advance(_ report: (_ flow: Int, _ time: Double) -> Void) {
    var first = Double.infinity
    for route in active { first = min(first, timeLeft(Int(route))) }
    let untilStart = nextLatency - now
    let latest = min(first + window, untilStart)
    // The event is the last end within the window; what ended before it keeps its own time.
    var step = first <= latest ? first : untilStart
    for route in active {
      let route = Int(route)
      var left = timeLeft(route)
      guard left <= latest else { continue }
      let stop = sharing.part.memberStarts[route + 1]
      while next[route] < stop, left <= latest {
        let member = Int(next[route])
        step = max(step, left)
        let time = now + left
        report(Int(sharing.part.members[member]), time)
        if time > end * (1 + 1e-9) || end == 0 { lastLimit = sharing.limits[route] }
        end = max(end, time)
        weights[route] -= counts[member]
        next[route] += 1
        if next[route] < stop { left = timeLeft(route) }
      }
      // Exactly none where all have ended, however many they were.
      sharing.setWeight(next[route] < stop ? weights[route] : 0, ofRoute: route)
    }
    var kept = 0
    for index in active.indices {
      let route = Int(active[index])
      guard next[route] < sharing.part.memberStarts[route + 1] else { continue }
      moved[route] += sharing.rates[route] * step
      active[kept] = Int32(route)
      kept += 1
    }
    active.removeLast(active.count - kept)
    now = first <= latest ? now + step : nextLatency
  }

  /// Until the smallest flow of a route ends.
  @inline(__always)
  private func timeLeft(_ route: Int) -> Double {
    let (rate, left) = (sharing.rates[route], bytes[Int(next[route])] - moved[route])
    return rate == .infinity || left <= 0 ? 0 : left / rate
  }
}
