// SPDX-License-Identifier: Apache-2.0
// epsim: copies of the nearest tier in turn, more often on ranks that have less to do.

extension BatchShares {
  /// Own rank, own node, else everywhere; among several hosts in proportion to 1 / predicted load.
  ///
  /// Sources that share a tier take turns together, in order of their numbers: were each to start
  /// anew, all would start with the same host.
  func dealByTiers(_ sourceCounts: UnsafeBufferPointer<Int32>) {
    for rank in predicted.indices { predicted[rank] = 0 }
    for (host, expert) in hosts.experts.enumerated() {
      predicted[hosts.ranks[host]] +=
        Double(totals[expert]) / Double(hosts.hosts(of: expert).count)
    }
    let (experts, nodes) = (hosts.expertCount, localFlow?.classCount ?? 0)
    for expert in 0..<experts where totals[expert] > 0 {
      let range = hosts.hosts(of: expert)
      var far = 0
      for node in 0..<nodes {
        var count = counts[node * experts + expert]
        guard hasHost(expert, onNode: node) else {
          far += count
          continue
        }
        for host in range where classOfSource[hosts.ranks[host]] == node {
          let own = Int(sourceCounts[hosts.ranks[host] * experts + expert])
          localFlow?.add(own, ofClass: node, to: host)
          count -= own
        }
        takeTurns(count, expert, onNode: node)
        for host in range { localFlow?.add(turns[host], ofClass: node, to: host) }
      }
      takeTurns(far, expert, onNode: nil)
      for node in 0..<nodes where !hasHost(expert, onNode: node) {
        var left = counts[node * experts + expert]
        for host in range {
          let taken = min(left, turns[host])
          localFlow?.add(taken, ofClass: node, to: host)
          (turns[host], left) = (turns[host] - taken, left - taken)
        }
      }
    }
  }

  private func hasHost(_ expert: Int, onNode node: Int) -> Bool {
    hosts.hosts(of: expert).contains { classOfSource[hosts.ranks[$0]] == node }
  }

  /// Weighted turns: the next assignment goes where (turns so far + 1) x predicted load is least,
  /// the lowest slot on ties (D'Hondt's method; it never gives less than the whole part of a
  /// share, so it starts there).
  private func takeTurns(_ count: Int, _ expert: Int, onNode node: Int?) {
    let range = hosts.hosts(of: expert)
    var weights = 0.0
    for host in range {
      turns[host] = 0
      if mayServe(host, node) { weights += 1 / predicted[hosts.ranks[host]] }
    }
    guard count > 0 else { return }
    var left = count
    for host in range where mayServe(host, node) {
      let share = Double(count) / (predicted[hosts.ranks[host]] * weights)
      turns[host] = min(left, Int(share))
      left -= turns[host]
    }
    while left > 0 {
      var best = -1
      for host in range where mayServe(host, node) {
        if best < 0 || next(host) < next(best) { best = host }
      }
      turns[best] += 1
      left -= 1
    }
  }

  private func mayServe(_ host: Int, _ node: Int?) -> Bool {
    node == nil || classOfSource[hosts.ranks[host]] == node
  }

  private func next(_ host: Int) -> Double {
    Double(turns[host] + 1) * predicted[hosts.ranks[host]]
  }
}
