// SPDX-License-Identifier: Apache-2.0
// epsim: the two schedules as recursions over ranks.

internal import CostModel

extension AllToAllSchedule {
  /// All at once: a rank's messages leave one after the other; where they meet at a destination
  /// they are taken in one after the other too, in the order in which they have left.
  ///
  /// sent(s, d) = sent(s, d - 1) + latency + m / B;
  /// taken(d, i) = max(sent(i), taken(d, i - 1) + m / B).
  /// Where nothing meets, a rank's last message leaves after the sum of its messages' times, the
  /// linear model.
  func linear(_ messages: Messages, entries: [Double]) -> ScheduleTimes {
    let ranks = messages.rankCount
    var sent = entries
    // [R, R] by destination: when each message has left its source, and its time at a port.
    var left = [Double](repeating: 0, count: ranks * ranks)
    var transfers = left
    for source in 0..<ranks {
      for destination in 0..<ranks where source != destination {
        if skipsEmpty, messages.bytes(from: source, to: destination) == 0 { continue }
        let (latency, transfer) = messages.cost(from: source, to: destination)
        sent[source] += latency + transfer
        left[destination * ranks + source] = sent[source]
        transfers[destination * ranks + source] = transfer
      }
    }
    var finish = sent
    for destination in 0..<ranks {
      let row = destination * ranks
      let sources = (0..<ranks).filter { left[row + $0] > 0 }
        .sorted { (left[row + $0], $0) < (left[row + $1], $1) }
      // Nothing can be taken in before the receives are posted.
      var taken = entries[destination]
      for source in sources {
        taken = max(left[row + source], taken + transfers[row + source])
      }
      finish[destination] = max(finish[destination], taken)
    }
    return ScheduleTimes(
      sent: sent.map { Seconds($0) }, finish: finish.map { Seconds($0) },
      entries: entries.map { Seconds($0) })
  }

  /// Step by step: t_r(i) is the later of
  /// max(t_r(i-1), t_{r-i}(i-1)) + cost of what comes from r - i, and of
  /// t_r(i-1) + cost of what goes to r + i, where a message of rendezvous size also waits for
  /// t_{r+i}(i-1).
  ///
  /// No barrier lies between the steps: a late rank holds up its partners, and they theirs.
  func pairwise(_ messages: Messages, entries: [Double]) -> ScheduleTimes {
    let ranks = messages.rankCount
    var (now, next, sent) = (entries, entries, entries)
    for step in 1..<max(ranks, 1) {
      for rank in 0..<ranks {
        let source = (rank + ranks - step) % ranks
        let destination = (rank + step) % ranks
        let incoming = messages.cost(from: source, to: rank)
        let outgoing = messages.cost(from: rank, to: destination)
        let waits = messages.bytes(from: rank, to: destination) >= rendezvous.value
        let received = max(now[rank], now[source]) + incoming.latency + incoming.transfer
        sent[rank] =
          max(now[rank], waits ? now[destination] : 0) + outgoing.latency + outgoing.transfer
        next[rank] = max(received, sent[rank])
      }
      swap(&now, &next)
    }
    return ScheduleTimes(
      sent: sent.map { Seconds($0) }, finish: now.map { Seconds($0) },
      entries: entries.map { Seconds($0) })
  }
}
