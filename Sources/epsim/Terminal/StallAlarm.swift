// SPDX-License-Identifier: Apache-2.0
// epsim: what is said and done when a rank makes no progress.

internal import ExpertParallel
internal import Foundation
internal import MPI
internal import Timing

/// Ends the job when this rank makes no progress, and says where it stands.
///
/// A rank that waits for another is as still as the one that it waits for, so several ranks may
/// speak before the job is over; the one that is in no exchange is the late one.
struct StallAlarm {
  private let rank: Int
  private let caseNames: [String]
  private let layers: [Int]
  private let warmupSteps: Int
  private let limit: Double

  init(_ configuration: RunConfiguration, rank: Int, limit: Double) {
    self.rank = rank
    caseNames = configuration.cases.map(\.name)
    layers = configuration.layers
    warmupSteps = configuration.warmupSteps
    self.limit = limit
  }

  /// Starts to watch; without a limit nothing is watched.
  func watch(_ heartbeat: Heartbeat) {
    guard limit > 0 else { return }
    Watchdog(heartbeat, limit: limit) { position in
      // The launcher answers an abort with SIGTERM.
      SignalNotice.remove()
      Launch.printError(sentence(position))
      // From a thread that is not MPI's: the job is over, and abort is all that is left to call.
      MPIEnvironment.abort(code: 1)
    }.start()
  }

  private func sentence(_ position: Heartbeat.Position) -> String {
    let who = "rank \(rank) on \(ProcessInfo.processInfo.hostName)"
    let still = "has made no progress for \(Int(limit)) s"
    let advice = "--watchdog sets the limit, 0 switches it off"
    switch position {
    case .stage(let stage): return "\(who) \(still) in \(stage.description); \(advice)"
    case .step(let caseIndex, let step, let stamps):
      let layout = StampLayout(layerCount: layers.count)
      let round =
        step < warmupSteps ? "warm-up step \(step)" : "measured step \(step - warmupSteps)"
      let place = "case \(caseNames[caseIndex]), \(round)"
      guard let (layer, phase) = layout.activity(afterStamps: stamps) else {
        return "\(who) \(still) in \(place); \(advice)"
      }
      let waits =
        Phase.Exchange.allCases.contains { $0.phase == phase }
        ? ", where it waits for other ranks" : ", which it does alone"
      return "\(who) \(still) in \(place), layer \(layers[layer]), phase \(phase.name)\(waits); "
        + advice
    }
  }
}
