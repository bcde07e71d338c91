// SPDX-License-Identifier: Apache-2.0
// epsim: the parts of a network that share no link, ready to be solved.

internal import CostModel

/// Routes that are joined by links they share, with their flows in the order in which they end.
///
/// Parts do not feel each other, so an event in one costs nothing in the others: the ranks of each
/// node that exchange inside it are a part, and so is every rail of a rail-optimised network.
struct FlowPart {
  /// [links] their numbers in the network.
  var linkNumbers: [Int32] = []
  /// [links] B/s.
  var capacities: [Double] = []
  /// [routes + 1] where each route starts in ``routeLinks``.
  var routeStarts: [Int32] = [0]
  /// Numbers in this part.
  var routeLinks: [Int32] = []
  /// [routes] s.
  var latencies: [Double] = []
  /// [routes] B/s.
  var rateCaps: [Double] = []
  /// [routes + 1] where the flows of each route start in the following.
  var memberStarts: [Int32] = [0]
  /// Numbers in the network, by route, the smallest flow first.
  var members: [Int32] = []

  var routeCount: Int { latencies.count }
}

extension FlowNetwork {
  /// All routes that carry something, in parts that share no link.
  func parts() -> [FlowPart] {
    let members = membersByRoute()
    // A union-find over links: all links of a route belong together.
    var parents = Array(Int32(0)..<Int32(links.count))
    func root(_ link: Int32) -> Int32 {
      var link = link
      while parents[Int(link)] != link {
        parents[Int(link)] = parents[Int(parents[Int(link)])]
        link = parents[Int(link)]
      }
      return link
    }
    for route in 0..<routeCount where members.starts[route] < members.starts[route + 1] {
      let links = routeLinks[Int(routeStarts[route])..<Int(routeStarts[route + 1])]
      guard let first = links.first.map(root) else { continue }
      for link in links.dropFirst() { parents[Int(root(link))] = first }
    }

    var parts: [FlowPart] = []
    var partOfRoot = [Int32](repeating: -1, count: links.count)
    // A route without links is a part of its own.
    var partOfRoute = [Int32](repeating: -1, count: routeCount)
    for route in 0..<routeCount where members.starts[route] < members.starts[route + 1] {
      if routeStarts[route] == routeStarts[route + 1] {
        partOfRoute[route] = Int32(parts.count)
        parts.append(FlowPart())
        continue
      }
      let root = Int(root(routeLinks[Int(routeStarts[route])]))
      if partOfRoot[root] < 0 {
        partOfRoot[root] = Int32(parts.count)
        parts.append(FlowPart())
      }
      partOfRoute[route] = partOfRoot[root]
    }
    var numberInPart = [Int32](repeating: -1, count: links.count)
    for link in links.indices {
      let part = Int(partOfRoot[Int(root(Int32(link)))])
      guard part >= 0 else { continue }
      numberInPart[link] = Int32(parts[part].linkNumbers.count)
      parts[part].linkNumbers.append(Int32(link))
      parts[part].capacities.append(links[link].capacity.value)
    }
    for route in 0..<routeCount where partOfRoute[route] >= 0 {
      append(route, numbered: numberInPart, members, to: &parts[Int(partOfRoute[route])])
    }
    return parts
  }

  private func append(
    _ route: Int, numbered: [Int32], _ members: (starts: [Int32], flows: [Int32]),
    to part: inout FlowPart
  ) {
    for index in Int(routeStarts[route])..<Int(routeStarts[route + 1]) {
      part.routeLinks.append(numbered[Int(routeLinks[index])])
    }
    part.routeStarts.append(Int32(part.routeLinks.count))
    part.latencies.append(latencies[route])
    part.rateCaps.append(rateCaps[route])
    for index in Int(members.starts[route])..<Int(members.starts[route + 1]) {
      part.members.append(members.flows[index])
    }
    part.memberStarts.append(Int32(part.members.count))
  }

  /// The flows that carry something, by route, the smallest first.
  private func membersByRoute() -> (starts: [Int32], flows: [Int32]) {
    func carries(_ flow: Int) -> Bool { flowBytes[flow] > 0 && flowCounts[flow] > 0 }
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
    return (starts, flows)
  }
}
