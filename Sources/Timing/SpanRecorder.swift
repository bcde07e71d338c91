// SPDX-License-Identifier: Apache-2.0
// epsim: time stamps of one case on one rank, in a buffer that is allocated beforehand.

/// Records the stamps of one step at a time. Local.
///
/// Between the first and the last stamp of a step it neither allocates nor locks.
public struct SpanRecorder: ~Copyable {
  public let layout: StampLayout
  private let stamps: UnsafeMutablePointer<Int64>
  /// Stamps taken in order so far.
  private var taken = 0
  /// Index of the first stamp of the layer that runs.
  private var layerStart = 1
  private let heartbeat: Heartbeat

  /// - Parameter heartbeat: told of every stamp, for the watchdog.
  public init(layout: StampLayout, heartbeat: Heartbeat = Heartbeat()) {
    self.layout = layout
    self.heartbeat = heartbeat
    stamps = .allocate(capacity: layout.stampsPerStep)
    // Touch every page now: a page fault must not fall into a span.
    stamps.initialize(repeating: 0, count: layout.stampsPerStep)
  }

  deinit { stamps.deallocate() }

  /// Starts a step: takes its first stamp.
  @inline(__always)
  public mutating func startStep() {
    taken = 0
    clearCompletions()
    layerStart = 1
    take(MonotonicClock.now(), at: 0)
  }

  /// Takes a stamp of a layer.
  ///
  /// The caller takes them in the order of ``LayerStamp``.
  @inline(__always)
  public mutating func mark(_ stamp: LayerStamp) {
    mark(stamp, at: MonotonicClock.now())
  }

  /// Takes a stamp of a layer with a time of the caller's, nanoseconds.
  ///
  /// For layers whose phases interleave: they are laid end to end by their exposed times.
  @inline(__always)
  public mutating func mark(_ stamp: LayerStamp, at time: Int64) {
    assert((taken - 1) % StampLayout.stampsPerLayer == stamp.rawValue, "\(stamp) is out of order")
    take(time, at: layerStart + stamp.rawValue)
    if stamp == .layerEnd {
      completeLayer()
      layerStart += layout.layerStride
    }
  }

  /// Tells the watchdog what a layer is doing that takes its stamps at its end.
  @inline(__always)
  public func reached(_ stamp: LayerStamp) {
    let layers = (taken - 1) / StampLayout.stampsPerLayer
    heartbeat.stampTaken(1 + layers * StampLayout.stampsPerLayer + stamp.rawValue + 1)
  }

  /// Ends a step: takes its last stamp.
  /// - Precondition: every stamp of every layer was taken.
  public mutating func endStep() {
    take(MonotonicClock.now(), at: layout.stepEnd)
    precondition(
      taken == layout.orderedStampsPerStep,
      "\(taken) stamps taken, a step has \(layout.orderedStampsPerStep)")
  }

  @inline(__always)
  private mutating func take(_ time: Int64, at index: Int) {
    stamps[index] = time
    taken += 1
    heartbeat.stampTaken(taken)
  }

  /// The stamps of the step that ended last, nanoseconds. Shape: [stampsPerStep].
  public func lastStep() -> [Int64] {
    Array(UnsafeBufferPointer(start: stamps, count: layout.stampsPerStep))
  }

  /// What a stamp costs here, nanoseconds: the mean over many, measured. Local.
  public static func measuredCost() -> Double {
    let layout = StampLayout(layerCount: 60)
    var recorder = SpanRecorder(layout: layout)
    var best = Int64.max
    for _ in 0..<10 {
      let start = MonotonicClock.now()
      recorder.startStep()
      for _ in 0..<layout.layerCount {
        for stamp in LayerStamp.allCases { recorder.mark(stamp) }
      }
      recorder.endStep()
      best = min(best, MonotonicClock.now() - start)
    }
    return Double(best) / Double(layout.stampsPerStep)
  }
}

// MARK: - Flights

extension SpanRecorder {
  /// Records when the first message of an exchange set off and when the last was seen complete,
  /// nanoseconds.
  ///
  /// Within a layer. Nothing happens where the layout has no flights.
  public mutating func record(
    flightOf exchange: Phase.Exchange, from start: Int64, to end: Int64
  ) {
    guard layout.hasFlights else { return }
    let index = layerStart + layout.offsetOfFlight(exchange)
    precondition(index < layout.stepEnd, "recorded after the last layer")
    stamps[index] = start
    stamps[index + 1] = max(start, end)
  }
}

// MARK: - Partners

extension SpanRecorder {
  /// Records when the last message of an exchange to or from a rank was complete, nanoseconds; of
  /// several times the latest counts.
  ///
  /// Within a layer, in any order. A rank that is never recorded, or not after the entry, is no
  /// partner. Nothing happens where the layout has no partners.
  @inline(__always)
  public mutating func record(
    partner rank: Int, of exchange: Phase.Exchange, completed time: Int64
  ) {
    guard layout.partnerCount > 0 else { return }
    precondition(
      rank >= 0 && rank < layout.partnerCount, "partner \(rank) of \(layout.partnerCount)")
    raise(rank, of: exchange, to: time)
  }

  /// Records how long messages of an exchange went without a look at whether they are complete,
  /// nanoseconds; of several gaps the largest counts.
  ///
  /// Within a layer, in any order. Nothing happens where the layout has no partners.
  @inline(__always)
  public mutating func record(pollGap gap: Int64, of exchange: Phase.Exchange) {
    guard layout.partnerCount > 0 else { return }
    raise(layout.partnerCount, of: exchange, to: gap)
  }

  @inline(__always)
  private mutating func raise(_ offset: Int, of exchange: Phase.Exchange, to value: Int64) {
    let index = layerStart + layout.offsetOfCompletions(exchange) + offset
    precondition(index < layout.stepEnd, "recorded after the last layer")
    stamps[index] = max(stamps[index], value)
  }

  /// Forgets the partners of the step before.
  private mutating func clearCompletions() {
    guard layout.partnerCount > 0 else { return }
    for layer in 0..<layout.layerCount {
      clear(layout.firstCompletion(of: .dispatch, layer: layer))
      clear(layout.firstCompletion(of: .combine, layer: layer))
    }
  }

  private func clear(_ first: Int) {
    (stamps + first).update(repeating: .min, count: layout.partnerCount)
    stamps[first + layout.partnerCount] = 0
  }

  /// Makes stamps of what was recorded in the layer that ends.
  @inline(__always)
  private func completeLayer() {
    guard layout.partnerCount > 0 else { return }
    complete(.dispatch)
    complete(.combine)
  }

  /// No completion lies before the entry; the poll gap follows the arrival.
  private func complete(_ exchange: Phase.Exchange) {
    let first = layerStart + layout.offsetOfCompletions(exchange)
    let entry = stamps[layerStart + exchange.phase.startStamp.rawValue]
    for index in first..<first + layout.partnerCount { stamps[index] = max(stamps[index], entry) }
    stamps[first + layout.partnerCount] += stamps[layerStart + exchange.arrivedStamp.rawValue]
  }
}
