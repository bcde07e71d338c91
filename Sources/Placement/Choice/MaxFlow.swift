// SPDX-License-Identifier: Apache-2.0
// epsim: the most that can flow through a network with whole capacities.

/// A maximum flow, and the cut that proves it.
///
/// Arcs are tried in the order in which they were added, so equal networks give equal flows.
/// Source: Dinic 1970, blocking flows on shortest paths.
struct MaxFlow: Sendable {
  /// A capacity that no flow reaches.
  static let unlimited = Int.max / 4

  private var firstArc: [Int32]
  private var nextArc: [Int32] = []
  private var head: [Int32] = []
  /// What is left of each arc; arc a and its reverse are a and a ^ 1.
  private var left: [Int] = []
  private var level: [Int32]
  private var current: [Int32]

  /// Nodes without arcs.
  init(nodeCount: Int) {
    firstArc = Array(repeating: -1, count: nodeCount)
    (level, current) = (firstArc, firstArc)
  }

  /// Adds an arc; the number is for ``flow(ofArc:)``.
  /// - Precondition: capacities are not negative, and their sums do not overflow.
  @discardableResult
  mutating func addArc(from tail: Int, to head: Int, capacity: Int) -> Int {
    precondition(capacity >= 0, "capacity \(capacity)")
    add(tail, head, capacity)
    add(head, tail, 0)
    return left.count - 2
  }

  private mutating func add(_ tail: Int, _ head: Int, _ capacity: Int) {
    nextArc.append(firstArc[tail])
    firstArc[tail] = Int32(left.count)
    self.head.append(Int32(head))
    left.append(capacity)
  }

  /// What flows through an arc.
  func flow(ofArc arc: Int) -> Int { left[arc ^ 1] }

  /// Lets flow as much as can, on top of what flows already.
  /// - Returns: what was added.
  mutating func maximise(from source: Int, to sink: Int) -> Int {
    var total = 0
    while true {
      setLevels(from: source)
      guard level[sink] >= 0 else { return total }
      current = firstArc
      while true {
        let pushed = push(Self.unlimited, at: source, to: sink)
        if pushed == 0 { break }
        total += pushed
      }
    }
  }

  /// [nodes] whether more could flow to each from the source: after ``maximise(from:to:)`` the
  /// source's side of a minimum cut.
  mutating func reachable(from source: Int) -> [Bool] {
    setLevels(from: source)
    return level.map { $0 >= 0 }
  }

  private mutating func setLevels(from source: Int) {
    for node in level.indices { level[node] = -1 }
    level[source] = 0
    var queue = [Int32(source)]
    var next = 0
    while next < queue.count {
      let node = Int(queue[next])
      next += 1
      var arc = firstArc[node]
      while arc >= 0 {
        let other = Int(head[Int(arc)])
        if left[Int(arc)] > 0, level[other] < 0 {
          level[other] = level[node] + 1
          queue.append(Int32(other))
        }
        arc = nextArc[Int(arc)]
      }
    }
  }

  /// Sends at most `amount` along one path of rising levels; no deeper than there are nodes.
  private mutating func push(_ amount: Int, at node: Int, to sink: Int) -> Int {
    if node == sink { return amount }
    while current[node] >= 0 {
      let arc = Int(current[node])
      let other = Int(head[arc])
      if left[arc] > 0, level[other] == level[node] + 1 {
        let pushed = push(min(amount, left[arc]), at: other, to: sink)
        if pushed > 0 {
          left[arc] -= pushed
          left[arc ^ 1] += pushed
          return pushed
        }
      }
      current[node] = nextArc[arc]
    }
    return 0
  }
}
