// SPDX-License-Identifier: Apache-2.0
// epsim: what is said when a run is interrupted or ended by a scheduler.

internal import Foundation
internal import Synchronization

/// Says on SIGINT and SIGTERM what is left of the run, and ends the process with 128 + signal.
///
/// The record of the finished rounds is already on disk, but for those that were too short to be
/// written one by one: a handler may do little more than write.
enum SignalNotice {
  private static let hasRecord = Atomic<Bool>(false)

  private static let withRecord: StaticString =
    "epsim: ended by a signal; the record holds what was finished, --resume adds the rest\n"
  private static let withoutRecord: StaticString =
    "epsim: ended by a signal; nothing was recorded\n"

  /// Listens from now on; for the rank that speaks.
  ///
  /// - Parameter resumes: whether rounds of this run are on disk already.
  static func install(resumes: Bool) {
    hasRecord.store(resumes, ordering: .relaxed)
    for number in [SIGINT, SIGTERM] {
      signal(number) { number in
        let text =
          SignalNotice.hasRecord.load(ordering: .relaxed)
          ? SignalNotice.withRecord : SignalNotice.withoutRecord
        _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
        _exit(128 + number)
      }
    }
  }

  /// Listens no longer: the process ends itself and has said why, or a launcher ends the job because
  /// another rank left.
  static func remove() {
    for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
  }

  /// A record of this run is on disk.
  static func recordWritten() { hasRecord.store(true, ordering: .relaxed) }
}
