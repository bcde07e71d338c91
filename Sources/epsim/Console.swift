// SPDX-License-Identifier: Apache-2.0
// epsim: what a person sees while a command works.

internal import ExpertParallel
internal import Foundation

/// Notes beside the result: they go to stderr, so that stdout holds results only.
enum Console {
  /// Whether stderr is a terminal.
  static let isTerminal = isatty(STDERR_FILENO) == 1

  static func note(_ text: String) {
    FileHandle.standardError.write(Data("\(text)\n".utf8))
  }

  static func replaceLine(_ text: String) {
    FileHandle.standardError.write(Data("\r\u{1B}[2K\(text)".utf8))
  }
}

/// Progress of a run: an estimate once its pace is known, then a line that renews itself on a
/// terminal.
final class ProgressLine {
  private let isShown: Bool
  private let start = Date()
  private var lastUpdate = Date()
  private var hasEstimated = false

  init(isShown: Bool) { self.isShown = isShown }

  func show(_ progress: InterleavedRun.Progress) {
    guard isShown else { return }
    let elapsed = Date().timeIntervalSince(start)
    if stepStart == nil { stepStart = (Date(), progress.finishedSteps) }
    guard let stepStart, progress.finishedSteps > stepStart.steps else { return }
    let pace =
      Date().timeIntervalSince(stepStart.time)
      / Double(progress.finishedSteps - stepStart.steps)
    let remaining = pace * Double(progress.totalSteps - progress.finishedSteps)
    if !hasEstimated && progress.finishedSteps - stepStart.steps >= 4 {
      hasEstimated = true
      if remaining > 2 {
        Console.note(
          "\(progress.totalSteps) steps, about \(Int((elapsed + remaining).rounded(.up))) s in all")
      }
    }
    guard Console.isTerminal, elapsed > 2, Date().timeIntervalSince(lastUpdate) > 0.2 else {
      return
    }
    lastUpdate = Date()
    Console.replaceLine(
      "step \(progress.finishedSteps) of \(progress.totalSteps), "
        + "about \(Int(remaining.rounded(.up))) s left")
  }

  /// The first step, whose time includes the preparation, sets no pace.
  private var stepStart: (time: Date, steps: Int)?

  func finish() {
    guard isShown, Console.isTerminal else { return }
    Console.replaceLine("")
  }
}
