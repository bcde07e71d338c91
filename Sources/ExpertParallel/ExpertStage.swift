// SPDX-License-Identifier: Apache-2.0
// epsim: the expert compute of a layer on one rank: real products, or a timed stand-in.

internal import Kernels
internal import MoE
internal import Timing

/// What stands for expert compute.
public enum ExpertCompute: Sendable, Equatable {
  /// Products of real weights.
  case real
  /// Rows return as they came, after the time that products would take at this rate in FLOP/s: the
  /// rank sleeps, so that many ranks fit on few cores.
  case emulated(rate: Double)
  /// Rows return as they came, at once.
  case none

  /// The name used in options and records.
  public var name: String {
    switch self {
    case .real: "real"
    case .emulated: "emulated"
    case .none: "none"
    }
  }
}

/// The experts of one layer on one rank: grouped rows to results. Allocates nothing in a step.
struct ExpertStage {
  private enum Work {
    case products(ExpertFFN, [ExpertFFN.Weights])
    /// Nanoseconds for each row.
    case standIn(timePerRow: Double)
  }

  private let work: Work
  private let hidden: Int
  private let elementType: ElementType
  /// How many times as long as it takes the stage shall take; 1 where nothing is injected.
  private let slowFactor: Double

  /// Real products with the weights of each slot.
  init(
    ffn: ExpertFFN, weights: [ExpertFFN.Weights], hidden: Int, elementType: ElementType,
    slowFactor: Double
  ) {
    work = .products(ffn, weights)
    self.hidden = hidden
    self.elementType = elementType
    self.slowFactor = slowFactor
  }

  /// A stand-in.
  ///
  /// - Parameters:
  ///   - parameters: of one expert; a row takes two operations for each of them.
  ///   - rate: operations per second; nil takes no time.
  init(
    parameters: Int, rate: Double?, hidden: Int, elementType: ElementType, slowFactor: Double
  ) {
    work = .standIn(timePerRow: rate.map { 2e9 * Double(parameters) / $0 } ?? 0)
    self.hidden = hidden
    self.elementType = elementType
    self.slowFactor = slowFactor
  }

  /// Rows between two looks at messages that are under way: a few milliseconds of a large expert.
  private static let rowsBetweenPolls = 32
  /// Time between two looks at messages in a stand-in, nanoseconds.
  private static let timeBetweenPolls: Int64 = 200_000

  /// Runs the rows of every slot.
  ///
  /// Shapes: `firstRows` [S + 1] rows of slot s are `firstRows[s] ..< firstRows[s + 1]`; `x` [M, H]
  /// in compute format; `y` [M, H].
  func run(
    firstRows: UnsafeMutableBufferPointer<Int>, x: UnsafeMutableRawPointer,
    y: UnsafeMutablePointer<Float>
  ) {
    run(firstRows: firstRows, x: x, y: y, polls: { false }, poll: {})
  }

  /// Runs the rows of every slot in blocks.
  ///
  /// Shapes as ``run(firstRows:x:y:)``.
  /// - Parameters:
  ///   - polls: whether something is under way: a slot with many rows is then run in parts.
  ///   - poll: called between parts; the time that it takes is not the stage's own.
  func run<Failure: Error>(
    firstRows: UnsafeMutableBufferPointer<Int>, x: UnsafeMutableRawPointer,
    y: UnsafeMutablePointer<Float>, polls: () -> Bool, poll: () throws(Failure) -> Void
  ) throws(Failure) {
    switch work {
    case .products(let ffn, let weights):
      for slot in 0..<weights.count {
        var first = firstRows[slot]
        while first < firstRows[slot + 1] {
          let left = firstRows[slot + 1] - first
          let rows = polls() ? min(left, Self.rowsBetweenPolls) : left
          let start = MonotonicClock.now()
          ffn.apply(
            rows: rows, x: x + first * hidden * elementType.byteCount, weights: weights[slot],
            y: y + first * hidden)
          if slowFactor > 1 {
            let own = Double(MonotonicClock.now() - start)
            MonotonicClock.spin(until: start + Int64(slowFactor * own))
          }
          first += rows
          if polls() { try poll() }
        }
      }
    case .standIn(let timePerRow):
      var start = MonotonicClock.now()
      let rows = firstRows[firstRows.count - 1]
      RowKernels.convert(count: rows * hidden, from: x, type: elementType, into: y, type: .f32)
      guard timePerRow > 0 else { return }
      let end = start + Int64(slowFactor * timePerRow * Double(rows))
      var left = end - MonotonicClock.now()
      while left > 0 {
        start = MonotonicClock.now()
        MonotonicClock.sleep(until: start + (polls() ? min(left, Self.timeBetweenPolls) : left))
        left -= MonotonicClock.now() - start
        if polls() { try poll() }
      }
    }
  }
}
