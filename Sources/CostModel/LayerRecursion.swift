// SPDX-License-Identifier: Apache-2.0
// epsim: from what ranks do to when they are ready, layer after layer.

/// The clocks of all ranks through the layers of a step.
///
///     enter_r = ready_r + route + plan + delay + pack
///     start_r = max(enter_r, max over senders s of enter_s)     waiting until then
///     end_r   = start_r + what of r's rows has not travelled while others were waited for
///     ... group, expert, shared, ungroup; combine alike; reduce; ready_r for the next layer
///
/// A maximum is taken only where ranks meet, so a rank that is late in one layer and early in the
/// next costs less than the sum of the layers' maxima. Allocates nothing after `init`.
/// Chunks are in LayerRecursion+Chunks.swift.
public struct LayerRecursion: Sendable {
  /// R.
  public let rankCount: Int
  /// [R] s, when each rank is ready for the next layer.
  public internal(set) var ready: [Double]
  /// The last layer.
  public internal(set) var layer: RankTimes
  /// All layers since ``begin(at:)``.
  public internal(set) var step: RankTimes
  /// [R] s, sum over layers of the time that other ranks waited in exchanges that this rank entered
  /// last: what a straggler costs the others.
  public internal(set) var causedWait: [Double]
  /// [R] s, when each rank enters an exchange.
  var entry: [Double]
  /// [R] s, until when each rank waits for others.
  var start: [Double]
  /// [R] s, when each rank is done with an exchange.
  private var end: [Double]
  private var late: LateEntries
  /// [R] s, when each rank's processor is free.
  var compute: [Double]
  /// [R] s, when each rank's network is free.
  var network: [Double]
  /// [chunks, R] s, when each chunk has arrived, and how much of that was waiting.
  var arrival: [Double]
  var arrivalWait: [Double]
  private var begun = 0.0

  public init(rankCount: Int, chunks: Int = 1) {
    precondition(rankCount >= 1 && chunks >= 1, "\(rankCount) ranks, \(chunks) chunks")
    self.rankCount = rankCount
    ready = Array(repeating: 0, count: rankCount)
    (entry, start, compute, network) = (ready, ready, ready, ready)
    (causedWait, end) = (ready, ready)
    late = LateEntries(rankCount: rankCount)
    arrival = Array(repeating: 0, count: rankCount * chunks)
    arrivalWait = arrival
    layer = RankTimes(rankCount: rankCount)
    step = layer
  }

  /// The time of all layers so far: latest end - earliest begin.
  public var time: Seconds { Seconds((ready.max() ?? 0) - begun) }

  /// Begins a step with all ranks at once.
  public mutating func begin() {
    for rank in 0..<rankCount { (ready[rank], causedWait[rank]) = (0, 0) }
    for index in step.values.indices { step.values[index] = 0 }
    begun = 0
  }

  /// Begins a step with each rank at a time of its own.
  ///
  /// Shape: `times` [R]
  public mutating func begin(at times: [Seconds]) {
    precondition(times.count == rankCount, "\(times.count) times for \(rankCount) ranks")
    begin()
    for rank in 0..<rankCount { ready[rank] = times[rank].value }
    begun = ready.min() ?? 0
  }

  /// Lets all ranks do a layer.
  ///
  /// - Returns: by how much the latest end moves; the sum over layers is ``time``, less the spread of
  ///   the begin.
  /// - Precondition: the work is of R ranks, and of no more chunks than `init` was told.
  @discardableResult
  public mutating func advance(_ work: LayerWork) -> Seconds {
    precondition(
      work.rankCount == rankCount && work.dispatch.rankCount == rankCount
        && work.combine.rankCount == rankCount,
      "work of \(work.rankCount) ranks for \(rankCount)")
    let before = ready.max() ?? 0
    for index in layer.values.indices { layer.values[index] = work.local.values[index] }
    if work.chunks == 1 { advanceWhole(work) } else { advanceChunks(work) }
    step += layer
    return Seconds((ready.max() ?? 0) - before)
  }

  /// Dispatch, compute, combine, one after the other.
  private mutating func advanceWhole(_ work: LayerWork) {
    for rank in 0..<rankCount {
      entry[rank] = ready[rank] + spent(.route, .pack, rank)
    }
    exchange(work.dispatch, work.dispatchSenders)
    for rank in 0..<rankCount {
      let wait = min(start[rank], end[rank]) - entry[rank]
      book(.dispatchWait, wait, rank)
      book(.dispatchTransfer, end[rank] - entry[rank] - wait, rank)
      compute[rank] = end[rank] + spent(.group, .ungroup, rank)
    }
    for rank in 0..<rankCount { entry[rank] = compute[rank] }
    exchange(work.combine, work.combineSenders)
    for rank in 0..<rankCount {
      let wait = min(start[rank], end[rank]) - entry[rank]
      book(.combineWait, wait, rank)
      book(.combineTransfer, end[rank] - entry[rank] - wait, rank)
      ready[rank] = end[rank] + spent(.reduce, .reduce, rank)
    }
  }

  /// From ``entry`` to ``start`` and ``end``.
  private mutating func exchange(_ time: ExchangeTime, _ senders: Senders) {
    meet(senders)
    switch senders {
    case .everyone: late.ends(of: entry, time, into: &end)
    case .listed:
      for rank in 0..<rankCount { end[rank] = start[rank] + time.startUp[rank] + time.travel[rank] }
    }
  }

  /// From ``entry`` to ``start``: every rank waits for those that send to it.
  mutating func meet(_ senders: Senders) {
    switch senders {
    case .everyone:
      var last = 0
      for rank in 0..<rankCount where entry[rank] > entry[last] { last = rank }
      let latest = entry[last]
      for rank in 0..<rankCount {
        start[rank] = latest
        causedWait[last] += latest - entry[rank]
      }
    case .listed(let offsets, let ranks):
      for rank in 0..<rankCount {
        var last = rank
        for index in offsets[rank]..<offsets[rank + 1] {
          let sender = Int(ranks[index])
          if entry[sender] > entry[last] { last = sender }
        }
        start[rank] = entry[last]
        causedWait[last] += entry[last] - entry[rank]
      }
    }
  }

  /// The phases from one to another of what a rank does alone.
  func spent(_ first: RankPhase, _ last: RankPhase, _ rank: Int) -> Double {
    var sum = 0.0
    for phase in first.rawValue...last.rawValue { sum += layer.values[phase * rankCount + rank] }
    return sum
  }

  mutating func book(_ phase: RankPhase, _ time: Double, _ rank: Int) {
    layer.values[phase.rawValue * rankCount + rank] = time
  }
}
