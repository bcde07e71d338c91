// SPDX-License-Identifier: Apache-2.0
// epsim: time stamps of one case on one rank, in a buffer that is allocated beforehand.

/// Where the stamps of a step lie: the step's start, then per layer its start and the end of each
/// phase, then the step's end. A phase starts where the one before it ended.
public struct StampLayout: Sendable, Equatable {
  /// Layers of a step.
  public let layerCount: Int
  /// Stamps of one layer.
  static let stampsPerLayer = 1 + Phase.allCases.count
  /// Stamps of one step.
  public var stampsPerStep: Int { 2 + layerCount * Self.stampsPerLayer }

  public init(layerCount: Int) { self.layerCount = layerCount }

  func start(ofLayer layer: Int) -> Int { 1 + layer * Self.stampsPerLayer }
  func end(of phase: Phase, layer: Int) -> Int { start(ofLayer: layer) + 1 + phase.rawValue }
  var stepEnd: Int { stampsPerStep - 1 }
}

/// Records the stamps of the measured steps of one case. Local.
///
/// Between the first and the last stamp of a step it neither allocates nor locks.
public struct SpanRecorder: ~Copyable {
  public let layout: StampLayout
  /// Room for this many steps.
  public let stepCapacity: Int
  /// Steps finished so far.
  public private(set) var stepCount = 0
  private let stamps: UnsafeMutablePointer<Int64>
  private var next = 0

  public init(layout: StampLayout, stepCapacity: Int) {
    self.layout = layout
    self.stepCapacity = stepCapacity
    // One step of slack takes the stamps of warm-up steps, which are discarded.
    stamps = .allocate(capacity: (stepCapacity + 1) * layout.stampsPerStep)
    // Touch every page now: a page fault must not fall into a span.
    stamps.initialize(repeating: 0, count: (stepCapacity + 1) * layout.stampsPerStep)
  }

  deinit { stamps.deallocate() }

  /// Writes the next stamp: the start of a step or layer, the end of a phase, or the step's end.
  ///
  /// The caller marks in the order of ``StampLayout``.
  @inline(__always)
  public mutating func mark() {
    stamps[next] = MonotonicClock.now()
    next += 1
  }

  /// Ends a step: keeps its stamps, or discards them (warm-up).
  /// - Precondition: every stamp of the step was marked, and there is room for it.
  public mutating func finishStep(keep: Bool) {
    let expected = (stepCount + 1) * layout.stampsPerStep
    precondition(next == expected, "\(next) stamps marked, \(expected) expected")
    if keep {
      precondition(stepCount < stepCapacity, "room for \(stepCapacity) steps only")
      stepCount += 1
    }
    next = stepCount * layout.stampsPerStep
  }

  /// The stamps of the kept steps, nanoseconds. Shape: [steps, stampsPerStep].
  public func kept() -> [Int64] {
    Array(UnsafeBufferPointer(start: stamps, count: stepCount * layout.stampsPerStep))
  }
}
