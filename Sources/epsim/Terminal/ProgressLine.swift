// SPDX-License-Identifier: Apache-2.0
// epsim: how far a run has come.

internal import ExpertParallel
internal import Foundation

/// Progress of a run: an estimate once its pace is known, then a line that renews itself on a
/// terminal.
final class ProgressLine {
  private let isShown: Bool
  private let start = Date()
  private var lastUpdate = Date()
  private var hasEstimated = false
  /// The end of the first step: its time includes the preparation, so it sets no pace.
  private var firstStep: (end: Date, steps: Int)?

  init(isShown: Bool) { self.isShown = isShown }

  func show(_ progress: InterleavedRun.Progress) {
    guard isShown else { return }
    guard let firstStep else {
      firstStep = (Date(), progress.finishedSteps)
      return
    }
    let elapsed = Date().timeIntervalSince(start)
    let pace =
      Date().timeIntervalSince(firstStep.end)
      / Double(progress.finishedSteps - firstStep.steps)
    let remaining = pace * Double(progress.totalSteps - progress.finishedSteps)
    if !hasEstimated {
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

  /// Takes the line away.
  func finish() {
    guard isShown, Console.isTerminal else { return }
    Console.replaceLine("")
  }
}
