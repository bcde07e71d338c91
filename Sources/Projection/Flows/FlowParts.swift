// SPDX-License-Identifier: Apache-2.0
// epsim: the parts of a network that share no link.

/// Links and the routes over them that carry something, in parts that share no link.
///
/// Parts do not feel each other, so an event in one costs nothing in the others: the ranks of each
/// node that exchange inside it are a part, and so is every rail of a rail-optimised network.
struct FlowParts {
  /// Routes by part, ascending in each.
  private(set) var routes: [Int32] = []
  /// Links by part, ascending in each.
  private(set) var links: [Int32] = []
  /// [parts + 1] where each part starts in ``routes`` and ``links``.
  private(set) var routeStarts: [Int] = [0]
  private(set) var linkStarts: [Int] = [0]

  var count: Int { routeStarts.count - 1 }

  /// - Parameter carries: [routes] whether anything takes the route.
  init(of network: FlowNetwork, carries: [Bool]) {
    var groups = LinkGroups(linkCount: network.links.count)
    for route in carries.indices where carries[route] {
      let first = Int(network.routeStarts[route])
      for index in first..<Int(network.routeStarts[route + 1]) {
        groups.join(network.routeLinks[index], with: network.routeLinks[first])
      }
    }
    // The parts in the order of their first route, and the sizes of what precedes each.
    var partOfRoot = [Int32](repeating: -1, count: network.links.count)
    var partOfRoute = [Int32](repeating: -1, count: carries.count)
    for route in carries.indices where carries[route] {
      let first = Int(network.routeStarts[route])
      guard first < Int(network.routeStarts[route + 1]) else {
        // A route without links is a part of its own.
        partOfRoute[route] = Int32(addPart())
        routeStarts[count] += 1
        continue
      }
      let root = Int(groups.root(of: network.routeLinks[first]))
      if partOfRoot[root] < 0 { partOfRoot[root] = Int32(addPart()) }
      partOfRoute[route] = partOfRoot[root]
      routeStarts[Int(partOfRoot[root]) + 1] += 1
    }
    var partOfLink = [Int32](repeating: -1, count: network.links.count)
    for link in partOfLink.indices {
      partOfLink[link] = partOfRoot[Int(groups.root(of: Int32(link)))]
      if partOfLink[link] >= 0 { linkStarts[Int(partOfLink[link]) + 1] += 1 }
    }
    routes = Self.sort(partOfRoute, starts: &routeStarts)
    links = Self.sort(partOfLink, starts: &linkStarts)
  }

  private mutating func addPart() -> Int {
    routeStarts.append(0)
    linkStarts.append(0)
    return count - 1
  }

  /// Everything that is in a part, by part; sizes become starts.
  private static func sort(_ parts: [Int32], starts: inout [Int]) -> [Int32] {
    for part in 1..<starts.count { starts[part] += starts[part - 1] }
    var next = starts
    var sorted = [Int32](repeating: 0, count: starts[starts.count - 1])
    for (index, part) in parts.enumerated() where part >= 0 {
      sorted[next[Int(part)]] = Int32(index)
      next[Int(part)] += 1
    }
    return sorted
  }
}

/// Links that routes have joined: a union-find.
private struct LinkGroups {
  private var parents: [Int32]

  init(linkCount: Int) { parents = Array(0..<Int32(linkCount)) }

  /// One link that stands for all that are joined with a link.
  mutating func root(of link: Int32) -> Int32 {
    var link = link
    while parents[Int(link)] != link {
      parents[Int(link)] = parents[Int(parents[Int(link)])]
      link = parents[Int(link)]
    }
    return link
  }

  mutating func join(_ link: Int32, with other: Int32) {
    let (root, otherRoot) = (root(of: link), root(of: other))
    if root != otherRoot { parents[Int(root)] = otherRoot }
  }
}
