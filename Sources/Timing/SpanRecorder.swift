// SPDX-License-Identifier: Apache-2.0
// epsim: time stamps of one case on one rank, in a buffer that is allocated beforehand.

/// Records the stamps of one step at a time. Local.
///
/// Between the first and the last stamp of a step it neither allocates nor locks.
public struct SpanRecorder: ~Copyable {
  public let layout: StampLayout
  private let stamps: UnsafeMutablePointer<Int64>
  private var next = 0
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
    next = 0
    mark()
  }

  /// Takes a stamp of a layer.
  ///
  /// The caller takes them in the order of ``LayerStamp``.
  @inline(__always)
  public mutating func mark(_ stamp: LayerStamp) {
    assert((next - 1) % StampLayout.stampsPerLayer == stamp.rawValue, "\(stamp) is out of order")
    mark()
  }

  /// Ends a step: takes its last stamp.
  /// - Precondition: every stamp of every layer was taken.
  public mutating func endStep() {
    mark()
    precondition(
      next == layout.stampsPerStep, "\(next) stamps taken, a step has \(layout.stampsPerStep)")
  }

  @inline(__always)
  private mutating func mark() {
    stamps[next] = MonotonicClock.now()
    next += 1
    heartbeat.stampTaken(next)
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
      for _ in 0..<layout.stampsPerStep { recorder.mark() }
      best = min(best, MonotonicClock.now() - start)
      recorder.next = 0
    }
    return Double(best) / Double(layout.stampsPerStep)
  }
}
