// SPDX-License-Identifier: Apache-2.0
// epsim: tests of synchronised clocks, on one clock and against the offsets of time namespaces.

import ExpertParallel
import Foundation
import MPI
import TestSupport
import Testing
import Timing

@Suite("Clock synchronisation", .serialized) @MainActor
struct ClockSyncTests {
  @Test("ranks that share a clock are aligned as they are")
  func oneDomain() throws {
    let world = SharedMPI.world
    let sync = try ClockSync(on: world)
    for _ in 0..<3 { try sync.anchor(on: world) }
    let alignments = try sync.alignments(on: world)
    try expectOnAllRanks(alignments.count == world.size)
    guard sync.domainCount == 1 else { return }
    try expectOnAllRanks(sync.domainOfRank == [Int](repeating: 0, count: world.size))
    try expectOnAllRanks(
      alignments.allSatisfy { $0.anchors.isEmpty && $0.isVerified && $0.maximumError < 100_000 })
    try expectOnAllRanks(sync.causality.violations == 0)
    try expectOnAllRanks((sync.causality.checks > 0) == (world.size > 1))
  }
}

/// Ranks in time namespaces: one machine, so one hardware clock, but origins that the kernel
/// shifts by a known number of seconds and nanoseconds.
@Suite("Clock synchronisation with known truth", .serialized) @MainActor
struct ClockTruthTests {
  /// Set in ranks that were launched in time namespaces, by these tests or by a cluster.
  private nonisolated static let variable = "EPSIM_TEST_CLOCK_TRUTH"
  private nonisolated static let isRank =
    ProcessInfo.processInfo.environment[variable] != nil
  /// Seconds by which each rank's clock is ahead of the machine's: months, in both directions.
  private nonisolated static let origins = [9_000_000, 250_000, 26_000_000, 17]

  /// The part that runs in the ranks; prints one line on rank 0.
  @Test(
    "the true offset lies within the bound in ten synchronisations",
    .enabled(if: isRank, "runs in ranks with clocks of their own"))
  func ranks() throws {
    let world = SharedMPI.world
    let origins = try world.allGather([try #require(Self.namespaceOffset())])
    let truths = origins.map { origins[0] - $0 }
    let sync = try ClockSync(on: world)
    var milliseconds: [Double] = []
    for _ in 0..<10 {
      let start = ContinuousClock.now
      try sync.anchor(on: world)
      milliseconds.append((ContinuousClock.now - start) / .milliseconds(1))
      // Seldom in step, like ranks between measured steps.
      usleep(UInt32(1_000 * (1 + world.rank % 4)))
    }
    let alignments = try sync.alignments(on: world)
    // Collected, not expected one by one: collectives are slow with more ranks than cores.
    var wrong: [String] = []
    for (alignment, truth) in zip(alignments, truths) {
      for anchor in alignment.anchors {
        let local = anchor.localTime + 500_000
        if abs(anchor.offset - truth) > anchor.bound
          || abs(alignment.aligned(local) - local - truth) > alignment.error(at: local)
        {
          wrong.append("\(anchor), the truth is \(truth)")
        }
      }
    }
    try expectOnAllRanks(wrong.isEmpty, "\(wrong)")
    // Ranks of one namespace share a domain, and no others do.
    var clocks: [Int64] = []
    for origin in origins where !clocks.contains(origin) { clocks.append(origin) }
    try expectOnAllRanks(
      sync.domainOfRank == origins.map { clocks.firstIndex(of: $0)! }
        && alignments.map(\.anchors.count) == sync.domainOfRank.map { $0 == 0 ? 0 : 10 },
      "domains \(sync.domainOfRank), origins \(origins)")
    try expectOnAllRanks(sync.causality == (80 * world.size, 0), "\(sync.causality)")

    let bounds = alignments.flatMap { $0.anchors.map(\.bound) }.sorted()
    try #require(!bounds.isEmpty, "the ranks were launched with one clock")
    let median = bounds[bounds.count / 2]
    try expectOnAllRanks(median < 50_000, "the median bound is \(median) ns")
    let errors = zip(alignments, truths).flatMap { alignment, truth in
      alignment.anchors.map { abs($0.offset - truth) }
    }.sorted()
    if world.rank == 0 {
      print(
        "truth: \(world.size) ranks, \(sync.domainCount) domains, \(bounds.count) anchors;",
        "bound \(median) median, \(bounds.last!) max;",
        "true error \(errors[errors.count / 2]) median, \(errors.last!) max ns;",
        "\(sync.causality.violations) of \(sync.causality.checks) checks violated;",
        "\(milliseconds.sorted()[5]) ms each")
    }
  }

  @Test(
    "clocks months apart are found within their bounds, in two launches", .enabled(if: !isRank),
    .enabled(if: MPIEnvironment.launchedSize == nil, "launches ranks itself"),
    .enabled("needs the permission to make time namespaces (unshare --time)") {
      try mayMakeTimeNamespaces()
    }, arguments: [2, 4], ["vader,self", "tcp,self"])
  func launches(ranks: Int, transport: String) throws {
    let origins = Self.origins.map(String.init).joined(separator: " ")
    for _ in 0..<2 {
      let outcome = try Command.run(
        "scripts/launch",
        [
          "-n", "\(ranks)", "--timeout", "60", "--", "bash", "-c",
          """
          origins=(\(origins)); rank=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}
          exec unshare --time --monotonic "${origins[rank]}" --fork -- "$@"
          """, "rank", CommandLine.arguments[0], "--testing-library", "swift-testing",
          "--no-parallel", "--filter", "ClockTruthTests.ranks",
        ],
        environment: [Self.variable: "1", "OMPI_MCA_btl": transport, "OMPI_MCA_pml": "ob1"])
      #expect(outcome.exitCode == 0, "\(outcome.output)\n\(outcome.error)")
      let line = outcome.output.split(separator: "\n").first { $0.hasPrefix("truth: ") }
      print(transport, try #require(line, "\(outcome.output)"))
    }
  }

  /// How far the clock of this process's time namespace is ahead of the machine's, nanoseconds.
  private static func namespaceOffset() -> Int64? {
    // "monotonic SECONDS NANOSECONDS", then the same for boottime.
    guard let text = try? String(contentsOfFile: "/proc/self/timens_offsets", encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("monotonic") })
    else { return nil }
    let words = line.split(whereSeparator: \.isWhitespace).dropFirst().compactMap { Int64($0) }
    return words.count == 2 ? words[0] * 1_000_000_000 + words[1] : nil
  }

  private nonisolated static func mayMakeTimeNamespaces() throws -> Bool {
    try Command.run(
      "/usr/bin/env", ["unshare", "--time", "--monotonic", "1", "--fork", "--", "true"]
    ).exitCode == 0
  }
}
