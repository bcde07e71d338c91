// SPDX-License-Identifier: Apache-2.0
// epsim: what each rule that looks at the whole batch gives to each copy.

extension BatchShares {
  /// Least load of the fullest rank; then, with classes, fewest assignments that leave theirs.
  func split() {
    for (expert, count) in totals.enumerated() { flow.deal(count, ofClass: 0, expert: expert) }
    let limit = flow.minimiseLargest()
    guard localFlow != nil else { return }
    for group in 0..<localFlow!.classCount {
      for expert in 0..<hosts.expertCount {
        localFlow!.deal(
          counts[group * hosts.expertCount + expert], ofClass: group, expert: expert)
      }
    }
    let stuck = localFlow!.lower(to: limit)
    precondition(stuck == nil, "a limit of \(limit) that one class keeps holds for several")
  }

  /// Every expert by one host: a split of experts that count 1 each.
  ///
  /// An expert on two ranks is active on both, so one host each is no restriction. The start is
  /// greedy (descending load, then fewest hosts; to the host with the fewest experts, then the
  /// fewest tokens), and only what the least maximum asks for is moved.
  func useFewestExperts() {
    sortByLoad()
    for rank in tokens.indices { tokens[rank] = 0 }
    for expert in order where totals[expert] > 0 {
      let range = hosts.hosts(of: expert)
      var best = range.lowerBound
      for host in range.dropFirst() {
        let (rank, other) = (hosts.ranks[host], hosts.ranks[best])
        if (flow.loads[rank], tokens[rank]) < (flow.loads[other], tokens[other]) { best = host }
      }
      flow.add(1, ofClass: 0, to: best)
      tokens[hosts.ranks[best]] += totals[expert]
    }
    _ = flow.minimiseLargest()
    // From experts back to their assignments.
    for rank in flow.loads.indices { flow.loads[rank] = 0 }
    for host in 0..<hosts.count where flow.shares[host] > 0 {
      flow.shares[host] = totals[hosts.experts[host]]
      flow.loads[hosts.ranks[host]] += flow.shares[host]
    }
  }

  /// Puts the experts in order: descending load, then fewest hosts, then by number.
  ///
  /// A heap sort, for the library's sort allocates.
  private func sortByLoad() {
    order.withUnsafeMutableBufferPointer { order in
      totals.withUnsafeBufferPointer { totals in
        func comesBefore(_ left: Int, _ right: Int) -> Bool {
          if totals[left] != totals[right] { return totals[left] > totals[right] }
          let (a, b) = (hosts.hosts(of: left).count, hosts.hosts(of: right).count)
          return a != b ? a < b : left < right
        }
        // The root of the heap comes last in the order.
        func sink(_ start: Int, below end: Int) {
          var root = start
          while 2 * root + 1 < end {
            var child = 2 * root + 1
            if child + 1 < end, comesBefore(order[child], order[child + 1]) { child += 1 }
            guard comesBefore(order[root], order[child]) else { return }
            order.swapAt(root, child)
            root = child
          }
        }
        for expert in order.indices { order[expert] = expert }
        for root in stride(from: order.count / 2 - 1, through: 0, by: -1) {
          sink(root, below: order.count)
        }
        for last in stride(from: order.count - 1, to: 0, by: -1) {
          order.swapAt(0, last)
          sink(0, below: last)
        }
      }
    }
  }
}
