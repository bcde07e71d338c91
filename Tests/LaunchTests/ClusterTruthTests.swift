// SPDX-License-Identifier: Apache-2.0
// epsim: clocks and wire of an emulated cluster, held against what is known about them.

import Foundation
import TestSupport
import Testing

/// Each test starts this test process again in the ranks of a cluster, where a test of its own,
/// chosen by a variable, does the measuring.
@Suite(
  "Emulated cluster, known truths", .serialized,
  .enabled(if: Cluster.obstacle == nil, "namespaces are not permitted on this machine"))
struct ClusterTruthTests {
  private func measure(
    _ test: String, variable: String, _ options: [String], launch: [String] = []
  ) throws -> (line: String, outcome: Command) {
    let outcome = try Cluster.call(
      ["with", "--nodes", "2", "--slots", "1"] + options
        + ["-n", "2", "--timeout", "60", "-x", "\(variable)=1"] + launch
        + ["--", CommandLine.arguments[0]]
        + ["--testing-library", "swift-testing", "--no-parallel", "--filter", test])
    let line = outcome.output.split(separator: "\n").first { $0.hasPrefix("truth: ") }
    return (line.map(String.init) ?? "", outcome)
  }

  @Test("clocks days apart are found within their bounds, in two launches of ten synchronisations")
  func clocks() throws {
    for _ in 0..<2 {
      let (line, outcome) = try measure(
        "ClockTruthTests.ranks", variable: "EPSIM_TEST_CLOCK_TRUTH", ["--clock-offsets"])
      #expect(outcome.exitCode == 0 && !line.isEmpty, "\(outcome.output)\n\(outcome.error)")
      print(line)
    }
  }

  @Test("a dispatch over 1 Gbit/s takes as long as a ping-pong of its bytes, within 15 %")
  func wire() throws {
    // Non-blocking both ways, as the ping-pong. Some launches take twice its time all the same, fewer
    // with this algorithm than with Open MPI's choice for two ranks; the cause is not known.
    let linear = [
      "--mca", "coll_tuned_use_dynamic_rules", "1", "--mca", "coll_tuned_alltoallv_algorithm", "1",
    ]
    var last: Command?
    for attempt in 0..<5 {
      if attempt > 0 { sleep(2) }
      let (line, outcome) = try measure(
        "WireTruthTests.ranks", variable: "EPSIM_TEST_WIRE_TRUTH", ["--rate", "1gbit"],
        launch: linear)
      if outcome.exitCode == 0 && !line.isEmpty {
        print(line)
        return
      }
      last = outcome
    }
    Issue.record("\(last?.output ?? "")\n\(last?.error ?? "")")
  }
}
