// SPDX-License-Identifier: Apache-2.0
// epsim: tests of a run that is interrupted, ended by a scheduler, or stopped.

import Foundation
import TestSupport
import Testing

@Suite("A run is signalled", .serialized, .requiresOpenMPI)
struct SignalledRunTests {
  /// Rounds of 80 ms, spent in packing on rank 1 and in waiting for it on rank 0.
  private func delayedRun(steps: Int = 20) throws -> InterruptedRun {
    try InterruptedRun(
      ["--layers", "2", "--tokens", "32", "--warmup", "1"], ["--delay", "1:20000"], steps: steps)
  }

  @Test(
    "an end by signal to one rank or to the script ends the job and says what is left",
    arguments: [
      (SIGTERM, 0), (SIGTERM, 1), (SIGINT, 0), (SIGTERM, nil), (SIGINT, nil),
    ] as [(Int32, Int?)])
  func ended(signal: Int32, rank: Int?) throws {
    let run = try delayedRun()
    let running = try run.startAndMeasure()
    if let rank {
      running.send(signal, to: try run.ranks(of: running)[rank])
    } else {
      running.send(signal)
    }
    let outcome = try #require(try running.end(within: 20), "still running after 20 s")
    #expect(outcome.exitCode != 0)
    if rank != 1 { #expect(outcome.exitCode == 128 + signal, "\(outcome.error)") }
    let notices = outcome.error.split(separator: "\n").filter { $0.hasPrefix("epsim: ") }
    #expect(
      notices == [
        "epsim: ended by a signal; the record holds what was finished, --resume adds the rest"
      ], "\(outcome.error)")
    let rounds = try run.expectWholeFiles()
    #expect(rounds > 0)
    if rank == 0 { try run.expectResumes(after: rounds) }
  }

  @Test("a signal before the first round says that nothing was recorded")
  func early() throws {
    let run = try InterruptedRun(
      ["--layers", "2", "--tokens", "32", "--warmup", "100"], ["--delay", "0:20000"])
    let running = try run.start(ranks: 1)
    _ = try run.ranks(of: running, count: 1)
    usleep(1_000_000)
    running.send(SIGTERM)
    let outcome = try #require(try running.end(within: 20))
    #expect(outcome.exitCode == 143)
    #expect(
      outcome.error.contains(
        "epsim: ended by a signal; nothing was recorded\n"),
      "\(outcome.error)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: run.folder.url.path) == [])
  }

  @Test("a rank that stands still ends the job, which names rank, case, step, layer and phase")
  func stopped() throws {
    let run = try delayedRun(steps: 100)
    let running = try run.startAndMeasure(["--watchdog", "2"])
    running.send(SIGSTOP, to: try run.ranks(of: running)[1])
    let outcome = try #require(try running.end(within: 30), "still running after 30 s")
    #expect(outcome.exitCode == 1, "\(outcome.error)")
    let sentences = outcome.error.split(separator: "\n").filter { $0.hasPrefix("epsim: ") }
    try #require(sentences.count == 1, "\(outcome.error)")
    let place = /rank 0 on \S+ has made no progress for 2 s in (.*); --watchdog sets the limit.*/
    let match = try #require(sentences[0].dropFirst("epsim: ".count).wholeMatch(of: place))
    // It waits in the exchange of a step, or for the start of the next.
    let step =
      /case (contiguous|round-robin), measured step [0-9]+, layer [12], phase [a-z]+, where.*/
    let outside = ["the barrier before a step", "collecting the results of a round"]
    #expect(
      match.1.wholeMatch(of: step) != nil || outside.contains(String(match.1)), "\(match.1)")
    #expect(try run.expectWholeFiles() > 0)
  }

  @Test("a job that is stopped for longer than the watchdog's limit goes on")
  func continued() throws {
    let run = try delayedRun()
    let running = try run.startAndMeasure(["--watchdog", "1"])
    let ranks = try run.ranks(of: running)
    for rank in ranks { running.send(SIGSTOP, to: rank) }
    usleep(2_500_000)
    for rank in ranks { running.send(SIGCONT, to: rank) }
    let outcome = try #require(try running.end(within: 30))
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    #expect(try #require(try run.record()).complete)
  }
}
