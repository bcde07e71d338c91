// SPDX-License-Identifier: Apache-2.0
// epsim: shortest paths from ranks with too much to ranks with room, and what moves along them.

extension SplitFlow {
  /// Moves assignments until no rank has more than `limit`, at the least cost.
  ///
  /// - Returns: nil when done; else ranks that no assignment on them can leave, and their load: their
  ///   mean is above the limit.
  mutating func lower(to limit: Int) -> (load: Int, ranks: Int)? {
    while measure(from: limit) {
      var cost = Self.unreached
      for rank in loads.indices where loads[rank] < limit && lengths[rank] != Self.unreached {
        cost = min(cost, lengths[rank] >> costShift)
      }
      guard cost != Self.unreached else {
        var stuck = (load: 0, ranks: 0)
        for rank in loads.indices where lengths[rank] != Self.unreached {
          stuck = (stuck.load + loads[rank], stuck.ranks + 1)
        }
        return stuck
      }
      for rank in loads.indices {
        arcs[rank] = SplitArc(place: hosts.rankOffsets[rank], group: 0, target: -1)
      }
      // A full rank that others reach at less than its own start is served by their paths first.
      for rank in loads.indices where loads[rank] > limit && lengths[rank] == 0 {
        while loads[rank] > limit, findPath(from: rank, limit: limit, cost: cost) {}
      }
    }
    return nil
  }

  /// Measures the way to every rank from those above the limit.
  ///
  /// - Returns: whether there are any.
  private mutating func measure(from limit: Int) -> Bool {
    var (first, waiting) = (0, 0)
    for rank in loads.indices {
      lengths[rank] = loads[rank] > limit ? 0 : Self.unreached
      isQueued[rank] = loads[rank] > limit
      if loads[rank] > limit {
        queue[waiting] = rank
        waiting += 1
      }
    }
    guard waiting > 0 else { return false }
    // Bellman and Ford with a queue: costs of moving back are negative.
    while waiting > 0 {
      let rank = queue[first]
      first = first + 1 == queue.count ? 0 : first + 1
      waiting -= 1
      isQueued[rank] = false
      for place in hosts.rankOffsets[rank]..<hosts.rankOffsets[rank + 1] {
        let host = hosts.ofRank[place]
        let others = hosts.hosts(of: hosts.experts[host])
        if others.count == 1 { continue }
        for group in 0..<classCount where shares[group * hosts.count + host] > 0 {
          for other in others where other != host {
            let next = hosts.ranks[other]
            let length = lengths[rank] + step(group, from: rank, to: next)
            guard length < lengths[next] else { continue }
            lengths[next] = length
            if !isQueued[next] {
              isQueued[next] = true
              let last = first + waiting
              queue[last < queue.count ? last : last - queue.count] = next
              waiting += 1
            }
          }
        }
      }
    }
    return true
  }

  /// What an assignment of a class adds to a path that takes it from one rank to another.
  private func step(_ group: Int, from rank: Int, to next: Int) -> Int {
    let row = group * hosts.rankCount
    return ((costs[row + next] - costs[row + rank]) << costShift) + 1
  }

  /// Moves as much as one shortest path takes.
  ///
  /// - Returns: false when there is none from this rank any more.
  private mutating func findPath(from start: Int, limit: Int, cost: Int) -> Bool {
    var depth = 0
    path[0] = start
    while true {
      let rank = path[depth]
      if loads[rank] < limit, lengths[rank] >> costShift == cost {
        move(along: depth, limit: limit)
        return true
      }
      if advance(rank) {
        pathArcs[depth] = arcs[rank]
        depth += 1
        path[depth] = hosts.ranks[arcs[rank].target]
      } else {
        // Nothing leaves this rank in this phase.
        lengths[rank] = Self.unreached
        if depth == 0 { return false }
        depth -= 1
      }
    }
  }

  /// Finds the next arc of a rank that lies on a shortest path, the last one included.
  private mutating func advance(_ rank: Int) -> Bool {
    var arc = arcs[rank]
    defer { arcs[rank] = arc }
    while arc.place < hosts.rankOffsets[rank + 1] {
      let host = hosts.ofRank[arc.place]
      let others = hosts.hosts(of: hosts.experts[host])
      if others.count > 1 {
        while arc.group < classCount {
          if shares[arc.group * hosts.count + host] > 0 {
            arc.target = max(arc.target, others.lowerBound)
            while arc.target < others.upperBound {
              let next = hosts.ranks[arc.target]
              if arc.target != host, lengths[next] != Self.unreached,
                lengths[next] == lengths[rank] + step(arc.group, from: rank, to: next)
              {
                return true
              }
              arc.target += 1
            }
          }
          arc.group += 1
          arc.target = -1
        }
      }
      arc = SplitArc(place: arc.place + 1, group: 0, target: -1)
    }
    return false
  }

  private mutating func move(along depth: Int, limit: Int) {
    let (start, end) = (path[0], path[depth])
    var amount = min(loads[start] - limit, limit - loads[end])
    for arc in pathArcs[..<depth] {
      amount = min(amount, shares[arc.group * hosts.count + hosts.ofRank[arc.place]])
    }
    for arc in pathArcs[..<depth] {
      shares[arc.group * hosts.count + hosts.ofRank[arc.place]] -= amount
      shares[arc.group * hosts.count + arc.target] += amount
    }
    loads[start] -= amount
    loads[end] += amount
  }
}
