// SPDX-License-Identifier: Apache-2.0
// epsim: how flows share links: nobody can have more without someone poorer having less.

internal import CostModel

/// Max-min fair rates of the routes under way, by progressive filling.
///
/// The rate of all flows rises together; a link that is full stops its flows, a flow at its own
/// cap stops alone, the others go on. The shares of links only grow on the way, so a heap with
/// stale keys finds the next full link.
/// Source: Bertsekas and Gallager, Data Networks, section 6.5.2.
struct MaxMinSharing {
  let network: FlowNetwork
  /// [routes] B/s of each flow on it, after a filling.
  private(set) var rates: [Double]
  /// [routes] the link that stopped its flows, -1 where their own cap did.
  private(set) var limits: [Int32]
  /// [routes] flows that are under way.
  private(set) var weights: [Double]
  /// [routes] whether nothing more will come on it.
  private var hasEnded: [Bool]

  /// [links] flows that pass it, a flow on two places of its route twice.
  private var loads: [Double]
  /// [links] where the routes of each start and end in ``linkRoutes``.
  private var linkStarts: [Int32]
  private var linkEnds: [Int32]
  private var linkRoutes: [Int32]

  // What a filling changes.
  private var isFrozen: [Bool]
  private var remaining: [Double]
  private var unfrozenLoads: [Double]
  private var heap = ShareHeap()

  /// Nothing is under way.
  init(_ network: FlowNetwork) {
    self.network = network
    let (routes, links) = (network.routeCount, network.links.count)
    rates = Array(repeating: 0, count: routes)
    limits = Array(repeating: -1, count: routes)
    weights = rates
    hasEnded = Array(repeating: false, count: routes)
    isFrozen = Array(repeating: true, count: routes)
    loads = Array(repeating: 0, count: links)
    remaining = loads
    unfrozenLoads = loads

    linkStarts = Array(repeating: 0, count: links + 1)
    for link in network.routeLinks { linkStarts[Int(link) + 1] += 1 }
    for link in 0..<links { linkStarts[link + 1] += linkStarts[link] }
    linkEnds = linkStarts
    linkRoutes = Array(repeating: 0, count: network.routeLinks.count)
    for route in 0..<routes {
      for index in Int(network.routeStarts[route])..<Int(network.routeStarts[route + 1]) {
        let link = Int(network.routeLinks[index])
        linkRoutes[Int(linkEnds[link])] = Int32(route)
        linkEnds[link] += 1
      }
    }
  }

  /// Says how many flows of a route are under way; none ends it for good.
  mutating func setWeight(_ weight: Double, ofRoute route: Int) {
    let change = weight - weights[route]
    weights[route] = weight
    hasEnded[route] = weight == 0
    for index in Int(network.routeStarts[route])..<Int(network.routeStarts[route + 1]) {
      loads[Int(network.routeLinks[index])] += change
    }
  }

  /// Finds the rates of a part.
  ///
  /// - Parameters:
  ///   - active: Its routes under way.
  ///   - capped: Those of its routes that have a rate cap, the smallest cap first.
  ///   - links: All its links.
  mutating func fill(active: [Int32], capped: [Int32], links: ArraySlice<Int32>) {
    for route in active { isFrozen[Int(route)] = false }
    var left = active.count
    heap.removeAll()
    for link in links where loads[Int(link)] > 0 {
      let (capacity, load) = (network.links[Int(link)].capacity.value, loads[Int(link)])
      remaining[Int(link)] = capacity
      unfrozenLoads[Int(link)] = load
      heap.append(link: link, share: capacity / load)
    }
    heap.order()

    var nextCapped = 0
    // The common rate so far: rounding must not let it fall.
    var level = 0.0
    while left > 0 {
      while nextCapped < capped.count, isFrozen[Int(capped[nextCapped])] {
        nextCapped += 1
      }
      let cap =
        nextCapped < capped.count
        ? network.rateCaps[Int(capped[nextCapped])] : Double.infinity
      let share = nextShare(above: level)
      if cap <= share, cap < .infinity {
        level = max(level, cap)
        freeze(Int(capped[nextCapped]), rate: cap, limit: -1)
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
      if hasEnded[Int(route)] { continue }
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
    for index in Int(network.routeStarts[route])..<Int(network.routeStarts[route + 1]) {
      let link = Int(network.routeLinks[index])
      remaining[link] -= rate * weight
      unfrozenLoads[link] -= weight
    }
  }
}
