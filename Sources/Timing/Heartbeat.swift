// SPDX-License-Identifier: Apache-2.0
// epsim: where a rank is, readable from another thread.

internal import Synchronization

/// Where a rank is in its run, for a watchdog on another thread.
///
/// The rank writes with relaxed stores, about a nanosecond each; a reader may see a position that
/// is a moment old.
public final class Heartbeat: Sendable {
  /// What a rank does outside of a step.
  public enum Stage: Int, Sendable, CaseIterable {
    case preparing
    case synchronisingClocks
    case betweenSteps
    case checking
    case collecting
    /// The run is over; what remains is one rank's work.
    case finished

    /// In words.
    public var description: String {
      switch self {
      case .preparing: "preparing the run"
      case .synchronisingClocks: "synchronising clocks"
      case .betweenSteps: "the barrier before a step"
      case .checking: "comparing with the reference layer"
      case .collecting: "collecting the results of a round"
      case .finished: "the end of the run"
      }
    }
  }

  /// A moment of a run.
  public enum Position: Sendable, Equatable {
    case stage(Stage)
    /// Within a step: index of the case, number of the step, stamps taken in it.
    case step(caseIndex: Int, step: Int, stamps: Int)
  }

  private let stage = Atomic<Int>(0)
  private let caseIndex = Atomic<Int>(0)
  private let step = Atomic<Int>(0)
  private let stamps = Atomic<Int>(0)
  private let beats = Atomic<Int>(0)

  public init() {}

  /// The rank enters a stage outside of a step.
  public func enter(_ newStage: Stage) {
    stage.store(newStage.rawValue, ordering: .relaxed)
    stamps.store(0, ordering: .relaxed)
    beats.wrappingAdd(1, ordering: .relaxed)
  }

  /// The rank starts a step of a case.
  public func startStep(_ newStep: Int, caseIndex newCase: Int) {
    caseIndex.store(newCase, ordering: .relaxed)
    step.store(newStep, ordering: .relaxed)
    enter(.betweenSteps)
  }

  /// The rank has taken this many stamps of its step.
  @inline(__always)
  func stampTaken(_ count: Int) { stamps.store(count, ordering: .relaxed) }

  /// Changes whenever the rank has made progress.
  public var progress: Int {
    beats.load(ordering: .relaxed) << 16 | stamps.load(ordering: .relaxed) & 0xFFFF
  }

  public var position: Position {
    let taken = stamps.load(ordering: .relaxed)
    if taken == 0 {
      return .stage(Stage(rawValue: stage.load(ordering: .relaxed)) ?? .preparing)
    }
    return .step(
      caseIndex: caseIndex.load(ordering: .relaxed), step: step.load(ordering: .relaxed),
      stamps: taken)
  }
}
