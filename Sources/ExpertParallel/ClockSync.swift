// SPDX-License-Identifier: Apache-2.0
// epsim: measures the clocks of all ranks against that of rank 0.

internal import Foundation
public import MPI
public import Timing

/// The clocks of a communicator's ranks: which ranks share one, and how the others are offset.
///
/// Ranks of one clock domain (one kernel, one time namespace) need no correction. Of each other
/// domain the lowest rank, its leader, measures the offset to rank 0 and tells the rest. Call
/// ``anchor(on:)`` before, between and after what is measured, never within a measured step.
public final class ClockSync {
  private static let probesPerAttempt = 100
  private static let attempts = 5
  /// Half of the shortest round trip that needs no second attempt, nanoseconds: anything longer
  /// on a node's own memory or network was probably disturbed.
  private static let goodBound: Int64 = 25_000
  private static let causalityRounds = 8
  private static let tag = 7_301
  /// The words between rank 0 and a leader: begin or ask for a stamp, and the end.
  private static let probe: Int64 = 1
  private static let stop: Int64 = 0

  /// The clock domain of every rank, numbered by lowest rank: rank 0's is 0.
  public let domainOfRank: [Int]
  /// Messages around the ring of ranks whose send and receive stamps were compared, and those that
  /// arrived before they were sent by more than both errors. Sums over all ranks, on every rank.
  public private(set) var causality: (checks: Int, violations: Int) = (0, 0)

  /// The lowest rank of each domain.
  private let leaders: [Int]
  private let granularity: Int64
  /// Anchors taken so far of each domain but rank 0's.
  private var anchorCount = 0
  /// Those of this rank's domain.
  private var anchors: [ClockAnchor] = []

  /// Finds the clock domains. Collective.
  public init(on comm: borrowing Communicator) throws(MPIError) {
    let identities = try comm.gatherV(Array(ClockDomain.current.identity.utf8), root: 0)
    var known: [[UInt8]] = []
    var domains: [Int] = []
    for identity in identities {
      let domain = known.firstIndex(of: identity) ?? known.count
      if domain == known.count { known.append(identity) }
      domains.append(domain)
    }
    let domainOfRank = try comm.broadcast(domains, root: 0)
    self.domainOfRank = domainOfRank
    leaders = (0...(domainOfRank.max() ?? 0)).map { domainOfRank.firstIndex(of: $0)! }
    granularity = MonotonicClock.measuredGranularity()
  }

  /// Different clocks among the ranks.
  public var domainCount: Int { leaders.count }

  /// Measures the offset of every domain once, then tests the clocks by messages. Collective.
  ///
  /// With one domain there is nothing to measure, only the test. Leaders take turns: the time is
  /// a hundred round trips for each, five hundred where the probes are disturbed. Who waits for
  /// the others sleeps, so that with more ranks than cores the probes do not wait for a core.
  public func anchor(on comm: borrowing Communicator) throws(MPIError) {
    if domainCount > 1 {
      // Whoever is late is waited for here: root and leaders are inside MPI when they probe.
      try comm.barrier()
      let domain = domainOfRank[comm.rank]
      var own: [Int64] = [0, 0, 0]
      if comm.rank == 0 {
        for leader in leaders.dropFirst() { try answerProbes(of: leader, on: comm) }
        for leader in leaders.dropFirst() { try comm.send([Self.stop], to: leader, tag: Self.tag) }
      } else if comm.rank == leaders[domain] {
        let anchor = try measureAnchor(on: comm)
        own = [anchor.localTime, anchor.offset, anchor.bound]
        try Self.wait(for: 0, on: comm)
        _ = try comm.receive(Int64.self, count: 1, from: 0, tag: Self.tag)
      }
      own = try share(own, withinDomain: domain, on: comm)
      if domain > 0 { anchors.append(Self.anchor(own[...])) }
      anchorCount += 1
    }
    try testCausality(on: comm)
  }

  /// How to map the clock of each rank to that of rank 0, in rank order, on every rank. Collective.
  public func alignments(on comm: borrowing Communicator) throws(MPIError) -> [ClockAlignment] {
    var words = [granularity]
    for anchor in anchors { words += [anchor.localTime, anchor.offset, anchor.bound] }
    // Ranks of the root's domain have no anchors: room for as many as the others have.
    let count = 1 + 3 * anchorCount
    words += [Int64](repeating: 0, count: count - words.count)
    let gathered = try comm.allGather(words)
    return domainOfRank.indices.map { rank in
      let own = gathered[(rank * count)..<((rank + 1) * count)]
      let anchors = (0..<(domainOfRank[rank] == 0 ? 0 : anchorCount)).map {
        Self.anchor(own[(own.startIndex + 1 + 3 * $0)...])
      }
      return ClockAlignment(anchors: anchors, granularity: own[own.startIndex])
    }
  }

  /// The anchor whose time, offset and bound come first.
  private static func anchor(_ words: ArraySlice<Int64>) -> ClockAnchor {
    let start = words.startIndex
    return ClockAnchor(
      localTime: words[start], offset: words[start + 1], bound: words[start + 2])
  }

  /// Sleeps until a message of `rank` is there. Local.
  private static func wait(for rank: Int, on comm: borrowing Communicator) throws(MPIError) {
    while try !comm.hasMessage(from: rank, tag: tag) { usleep(200) }
  }

  /// The words of a domain's leader, on every rank of the domain; they wait asleep.
  private func share(
    _ words: [Int64], withinDomain domain: Int, on comm: borrowing Communicator
  ) throws(MPIError) -> [Int64] {
    let leader = leaders[domain]
    guard comm.rank == leader else {
      try Self.wait(for: leader, on: comm)
      return try comm.receive(count: words.count, from: leader, tag: Self.tag)
    }
    for rank in domainOfRank.indices where domainOfRank[rank] == domain && rank != leader {
      try comm.send(words, to: rank, tag: Self.tag)
    }
    return words
  }

  /// On rank 0: tells a leader that it is its turn, stamps its probes until it has enough. Local,
  /// paired with `measureAnchor`.
  private func answerProbes(of leader: Int, on comm: borrowing Communicator) throws(MPIError) {
    var word = Self.probe
    try Self.send(&word, to: leader, on: comm)
    while true {
      try Self.receive(&word, from: leader, on: comm)
      if word == Self.stop { return }
      word = MonotonicClock.now()
      try Self.send(&word, to: leader, on: comm)
    }
  }

  /// On a leader: the anchor with the smallest bound of some attempts. Local, paired with
  /// `answerProbes`.
  private func measureAnchor(on comm: borrowing Communicator) throws(MPIError) -> ClockAnchor {
    var best: ClockAnchor?
    var fallback: ClockAnchor?
    var word = Self.probe
    try Self.wait(for: 0, on: comm)
    try Self.receive(&word, from: 0, on: comm)
    for _ in 0..<Self.attempts {
      var envelope = OffsetEnvelope()
      // The first probe of each attempt warms up and is not counted.
      for number in 0...Self.probesPerAttempt {
        word = Self.probe
        let sent = MonotonicClock.now()
        try Self.send(&word, to: 0, on: comm)
        try Self.receive(&word, from: 0, on: comm)
        let received = MonotonicClock.now()
        if number > 0 { envelope.add(sent: sent, stamped: word, received: received) }
      }
      best = Self.closer(best, envelope.anchor)
      fallback = Self.closer(fallback, envelope.anchorOfShortestProbe)
      if let best, best.bound <= Self.goodBound { break }
    }
    word = Self.stop
    try Self.send(&word, to: 0, on: comm)
    return (best ?? fallback)!
  }

  private static func closer(_ first: ClockAnchor?, _ second: ClockAnchor?) -> ClockAnchor? {
    guard let first, let second else { return first ?? second }
    return second.bound < first.bound ? second : first
  }

  /// Sends stamps around the ring, both ways by turns: on the root's clock none may arrive before
  /// it was sent, within the errors of sender and receiver. Collective.
  private func testCausality(on comm: borrowing Communicator) throws(MPIError) {
    guard comm.size > 1 else { return }
    let alignment = ClockAlignment(anchors: anchors, granularity: granularity)
    var violations = 0
    // Time on the root's clock and its error.
    var stamp: (Int64, Int64) = (0, 0)
    var received: (Int64, Int64) = (0, 0)
    for round in 0..<Self.causalityRounds {
      let step = round.isMultiple(of: 2) ? 1 : comm.size - 1
      let (next, previous) = (
        (comm.rank + step) % comm.size, (comm.rank - step + comm.size) % comm.size
      )
      let sent = MonotonicClock.now()
      stamp = (alignment.aligned(sent), alignment.error(at: sent))
      _ = try withUnsafeBytes(of: &stamp) { stamp throws(MPIError) in
        try withUnsafeMutableBytes(of: &received) { received throws(MPIError) in
          try comm.sendReceive(stamp, to: next, into: received, from: previous, tag: Self.tag)
        }
      }
      let now = MonotonicClock.now()
      if alignment.aligned(now) < received.0 - (received.1 + alignment.error(at: now)) {
        violations += 1
      }
    }
    let total = try comm.allReduce(violations, .sum)
    causality.checks += Self.causalityRounds * comm.size
    causality.violations += total
  }

  private static func send(
    _ word: inout Int64, to rank: Int, on comm: borrowing Communicator
  ) throws(MPIError) {
    try withUnsafeBytes(of: &word) { word throws(MPIError) in
      try comm.send(word, to: rank, tag: tag)
    }
  }

  private static func receive(
    _ word: inout Int64, from rank: Int, on comm: borrowing Communicator
  ) throws(MPIError) {
    _ = try withUnsafeMutableBytes(of: &word) { word throws(MPIError) in
      try comm.receive(into: word, from: rank, tag: tag)
    }
  }
}
