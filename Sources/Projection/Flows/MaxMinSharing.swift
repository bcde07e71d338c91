// SPDX-License-Identifier: Apache-2.0
// epsim: how flows share links: nobody can have more without someone poorer having less.

/// Max-min fair rates of the active routes of a part, by progressive filling.
///
/// The rate of all flows rises together; a link that is full stops its flows, a flow at its own
/// cap stops alone, the others go on. The shares of links only grow on the way, so a heap with
/// stale keys finds the next full link.
/// Source: Bertsekas and Gallager, Data Networks, section 6.5.2.
struct MaxMinSharing {
  enum State: UInt8 { case waiting, active, ended }

  let part: FlowPart
  /// [routes] B/s of each flow on it, after ``fill()``.
  private(set) var rates: [Double]
  /// [routes] the link that stopped its flows, -1 where their own cap did.
  private(set) var limits: [Int32]
  private var states: [State]
  /// [routes] flows that are still under way.
  private var weights: [Double]

  /// [links] flows that pass it, a flow on two places of its route twice.
  private var loads: [Double]
  /// [links + 1] where the routes of each link start in ``linkRoutes``.
  private var linkStarts: [Int32]
  private var linkEnds: [Int32]
  private var linkRoutes: [Int32]
  /// Routes with a finite cap, the smallest cap first.
  private let cappedRoutes: [Int32]

  // What a filling changes.
  private var isFrozen: [Bool]
  private var remaining: [Double]
  private var unfrozenLoads: [Double]
  private var heap: ShareHeap

  /// All routes are waiting.
  init(_ part: FlowPart) {
    self.part = part
    let (routes, links) = (part.routeCount, part.capacities.count)
    rates = Array(repeating: 0, count: routes)
    limits = Array(repeating: -1, count: routes)
    states = Array(repeating: .waiting, count: routes)
    weights = Array(repeating: 0, count: routes)
    loads = Array(repeating: 0, count: links)
    isFrozen = Array(repeating: true, count: routes)
    remaining = part.capacities
    unfrozenLoads = loads
    heap = ShareHeap(capacity: links)
    cappedRoutes = (0..<Int32(routes)).filter { part.rateCaps[Int($0)] < .infinity }
      .sorted { (part.rateCaps[Int($0)], $0) < (part.rateCaps[Int($1)], $1) }

    linkStarts = Array(repeating: 0, count: links + 1)
    for link in part.routeLinks { linkStarts[Int(link) + 1] += 1 }
    for link in 0..<links { linkStarts[link + 1] += linkStarts[link] }
    linkEnds = Array(linkStarts[..<links])
    linkRoutes = Array(repeating: 0, count: part.routeLinks.count)
    for route in 0..<routes {
      for index in Int(part.routeStarts[route])..<Int(part.routeStarts[route + 1]) {
        let link = Int(part.routeLinks[index])
        linkRoutes[Int(linkEnds[link])] = Int32(route)
        linkEnds[link] += 1
      }
    }
  }

  /// Says how many flows of a route are under way; none ends it for good.
  mutating func setWeight(_ weight: Double, ofRoute route: Int) {
    let change = weight - weights[route]
    weights[route] = weight
    states[route] = weight > 0 ? .active : .ended
    for index in Int(part.routeStarts[route])..<Int(part.routeStarts[route + 1]) {
      loads[Int(part.routeLinks[index])] += change
    }
  }

  /// Finds the rates of all active routes.
  mutating func fill(active: ArraySlice<Int32>) {
    for route in active { isFrozen[Int(route)] = false }
    var left = active.count
    heap.removeAll()
    for link in loads.indices {
      remaining[link] = part.capacities[link]
      unfrozenLoads[link] = loads[link]
      if loads[link] > 0 { heap.append(link: Int32(link), share: remaining[link] / loads[link]) }
    }
    heap.order()

    var nextCapped = 0
    // The common rate so far: rounding must not let it fall.
    var level = 0.0
    while left > 0 {
      while nextCapped < cappedRoutes.count, isFrozen[Int(cappedRoutes[nextCapped])] {
        nextCapped += 1
      }
      let cap =
        nextCapped < cappedRoutes.count
        ? part.rateCaps[Int(cappedRoutes[nextCapped])] : Double.infinity
      let share = nextShare(above: level)
      if cap <= share, cap < .infinity {
        level = max(level, cap)
        freeze(Int(cappedRoutes[nextCapped]), rate: cap, limit: -1)
        left -= 1
      } else if share < .infinity {
        level = share
        left -= saturate(heap.removeFirst(), rate: share)
      } else {
        // Nothing limits what is left.
        for route in active where !isFrozen[Int(route)] {
          freeze(Int(route), rate: .infinity, limit: -1)
        }
        left = 0
      }
    }
  }

  /// The smallest share of a link that has flows left, its link first in the heap; infinite
  /// without any.
  private mutating func nextShare(above level: Double) -> Double {
    while let (link, share) = heap.first {
      let load = unfrozenLoads[Int(link)]
      guard load > 0 else {
        _ = heap.removeFirst()
        continue
      }
      let current = max(level, remaining[Int(link)] / load)
      if current <= share { return max(level, share) }
      heap.raiseFirst(to: current)
    }
    return .infinity
  }

  /// Stops all flows of a full link; drops from its list what has ended.
  /// - Returns: Routes stopped.
  private mutating func saturate(_ link: Int32, rate: Double) -> Int {
    var stopped = 0
    var kept = linkStarts[Int(link)]
    for index in linkStarts[Int(link)]..<linkEnds[Int(link)] {
      let route = linkRoutes[Int(index)]
      if states[Int(route)] == .ended { continue }
      linkRoutes[Int(kept)] = route
      kept += 1
      guard !isFrozen[Int(route)] else { continue }
      freeze(Int(route), rate: rate, limit: link)
      stopped += 1
    }
    linkEnds[Int(link)] = kept
    return stopped
  }

  @inline(__always)
  private mutating func freeze(_ route: Int, rate: Double, limit: Int32) {
    isFrozen[route] = true
    rates[route] = rate
    limits[route] = limit
    let weight = weights[route]
    for index in Int(part.routeStarts[route])..<Int(part.routeStarts[route + 1]) {
      let link = Int(part.routeLinks[index])
      remaining[link] -= rate * weight
      unfrozenLoads[link] -= weight
    }
  }
}
