// SPDX-License-Identifier: Apache-2.0
// epsim: tests of scripts/emulated-cluster, and of epsim on several nodes.

import Foundation
import TestSupport
import Testing

/// What the tests read of a record.
private struct Record: Decodable {
  struct Environment: Decodable {
    let ranks: Int
    let nodes: Int
    let hosts: [String]
  }
  struct Bytes: Decodable {
    let dispatch: Int
    let combine: Int
  }
  struct Case: Decodable {
    let outputDigest: String
    let bytes: [String: Bytes]
  }
  let environment: Environment
  let cases: [Case]

  init(_ outcome: Command) throws {
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(Record.self, from: Data(outcome.output.utf8))
  }

  private enum CodingKeys: CodingKey { case environment, cases }
}

@Suite("Emulated cluster, wrong calls")
struct ClusterCallTests {
  @Test(
    "a wrong call is refused with the value and what is accepted",
    arguments: [
      (["sideways"], "'sideways' is none of up, run"),
      (["up", "--nodes", "65"], "--nodes '65' is not 1 to 64"),
      (["up", "--nodes", "two"], "--nodes 'two' is not 1 to 64"),
      (["up", "--slots", "0"], "--slots '0' is not 1 to 9999"),
      (["up", "--rate", "fast"], "--rate 'fast' is not a rate"),
      (["up", "--name", "Much-Too-Long"], "--name 'Much-Too-Long' is not"),
      (["up", "--fast"], "'up' does not take '--fast'"),
      (["run", "-n", "2"], "no program after --"),
      (["shell"], "'shell' needs a node"),
    ])
  func refusals(arguments: [String], reason: String) throws {
    let outcome = try Command.run("scripts/emulated-cluster", arguments)
    #expect(outcome.exitCode == 2)
    #expect(outcome.error.contains(reason), "\(outcome.error)")
    #expect(outcome.error.split(separator: "\n").count == 1)
  }

  @Test("a cluster that is not there is said to be so, and can be taken down")
  func absent() throws {
    let name = "none\(ProcessInfo.processInfo.processIdentifier % 10000)"
    for arguments in [["status"], ["run", "-n", "1", "--name", name, "--", "true"]] {
      let words = arguments.contains(name) ? arguments : arguments + ["--name", name]
      let outcome = try Command.run("scripts/emulated-cluster", words)
      #expect(outcome.exitCode == 1)
      #expect(outcome.error.contains("there is no cluster '\(name)'"))
    }
    let down = try Command.run("scripts/emulated-cluster", ["down", "--name", name])
    #expect(down.exitCode == 0, "\(down.error)")
  }
}

// Namespaces need root and a kernel that has them.
@Suite(
  "Emulated cluster", .serialized,
  .enabled(if: Cluster.obstacle == nil, "namespaces are not permitted on this machine"))
struct ClusterTests {
  /// One epsim run with a routing that every split of the tokens over ranks shares.
  private static let run = [
    Command.products.appending(path: "epsim").path, "run", "--model", "tiny", "--workload",
    "zipf:1.1", "--tokens", "64", "--steps", "3", "--warmup", "1", "--output", "-", "--json",
  ]

  @Test("up, status and shell show the nodes; down leaves nothing behind, also when repeated")
  func upAndDown() throws {
    defer { _ = try? Cluster.call("down") }
    let up = try Cluster.call("up", "--nodes", "3", "--slots", "2", "--rate", "200mbit")
    try #require(up.exitCode == 0, "\(up.error)")
    #expect(up.output.contains("mpirun --allow-run-as-root --mca plm_rsh_agent"))

    let status = try Cluster.call("status")
    let lines = status.output.split(separator: "\n").map { $0.split(separator: " ") }
    #expect(lines.dropFirst().map { $0[0] } == (1...3).map { "\(Cluster.name)-node\($0)" })
    #expect(Set(lines.dropFirst().map { $0[1] }).count == 3)
    #expect(lines.dropFirst().allSatisfy { $0[2] == "200mbit" })

    let shell = try Command.run(
      "scripts/emulated-cluster",
      ["shell", "\(Cluster.name)-node2", "--name", Cluster.name, "hostname"])
    #expect(shell.output == "\(Cluster.name)-node2\n", "\(shell.error)")

    // A second `up` replaces the first.
    let again = try Cluster.call("up", "--nodes", "1")
    #expect(again.exitCode == 0, "\(again.error)")
    #expect(try Cluster.call("status").output.split(separator: "\n").count == 2)
    for _ in 1...2 {
      let down = try Cluster.call("down")
      #expect(down.exitCode == 0 && down.error == "", "\(down.error)")
      #expect(try Cluster.leftovers() == "")
    }
  }

  @Test("ranks of a node share its host name and its clock; nodes differ in both by what is stated")
  func hostsAndClocks() throws {
    let script = "echo $(hostname) $(readlink /proc/self/ns/time) $(cat /proc/self/timens_offsets)"
    let outcome = try Cluster.call(
      "with", "--nodes", "2", "--slots", "2", "--clock-offsets", "-n", "4", "--", "sh", "-c",
      script)
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    let ranks = outcome.output.split(separator: "\n").sorted()
    try #require(ranks.count == 4)
    #expect(Set(ranks).count == 2)
    for node in 1...2 {
      let mine = ranks.filter { $0.hasPrefix("\(Cluster.name)-node\(node) ") }
      #expect(mine.count == 2)
      #expect(mine.allSatisfy { $0.contains("monotonic \(250_000 * node) 0") }, "\(mine)")
    }
    #expect(try Cluster.leftovers() == "")
  }

  @Test("2 x 2 ranks on two nodes use the wire and compute the bits of four ranks and of one")
  func digest() throws {
    let alone = try Record(Command.run(Self.run[0], Array(Self.run.dropFirst())))
    let oneNode = try Record(
      Command.run("scripts/launch", ["-n", "4", "--timeout", "60", "--"] + Self.run))
    let outcome = try Cluster.call(
      ["with", "--nodes", "2", "--slots", "2", "--clock-offsets", "-n", "4", "--timeout", "60"]
        + ["--"] + Self.run)
    let twoNodes = try Record(outcome)

    #expect(twoNodes.environment.nodes == 2)
    #expect(twoNodes.environment.ranks == 4)
    #expect(
      twoNodes.environment.hosts == [1, 1, 2, 2].map { "\(Cluster.name)-node\($0)" })
    #expect(twoNodes.cases[0].outputDigest == alone.cases[0].outputDigest)
    #expect(twoNodes.cases[0].outputDigest == oneNode.cases[0].outputDigest)
    #expect(oneNode.environment.nodes == 1)

    let off = { (record: Record) in
      record.cases[0].bytes["off_node"].map { $0.dispatch + $0.combine } ?? -1
    }
    #expect(off(oneNode) == 0)
    #expect(off(twoNodes) > 0)
    // 3 measured steps and a warm-up, on top of them connections and control messages.
    let sent = outcome.error.split(separator: "\n").filter { $0.hasSuffix(" bytes") }
      .compactMap { $0.split(separator: " ").dropLast().last.flatMap { Int($0) } }
    try #require(sent.count == 2, "\(outcome.error)")
    #expect(sent.reduce(0, +) >= 4 * off(twoNodes))
    #expect(try Cluster.leftovers() == "")
  }

  @Test("a rate limits what a node sends")
  func rate() throws {
    defer { _ = try? Cluster.call("down") }
    let up = try Cluster.call("up", "--rate", "16mbit")
    try #require(up.exitCode == 0, "\(up.error)")
    let address = try #require(
      try Cluster.call("status").output.split(separator: "\n").last?.split(separator: " ")[1])
    // 4 MB at once. A socket of its own for each datagram: nobody listens, and a socket that has
    // been told so sends no more.
    let flood = """
      block=$(head -c 8000 /dev/zero | tr '\\0' x)
      for i in $(seq 500); do printf %s "$block" >/dev/udp/\(address)/9; done 2>/dev/null
      """
    let outcome = try Command.run(
      "scripts/emulated-cluster",
      ["shell", "\(Cluster.name)-node1", "--name", Cluster.name, "bash", "-c", flood])
    let row = try Cluster.call("status").output.split(separator: "\n")[1].split(separator: " ")
    let sent = try #require(Double(row[4]))
    // The rate, and what the bucket lets through at once.
    #expect(sent <= 16e6 / 8 * (outcome.seconds + 0.5) + 262_144, "\(outcome.seconds) s")
    #expect(sent > 200_000)
  }

  @Test("the exit code of the program is that of the run, and the cluster is taken down")
  func exitCode() throws {
    let failed = try Cluster.call("with", "-n", "2", "--", "sh", "-c", "exit 7")
    #expect(failed.exitCode == 7)
    #expect(!failed.error.contains("launch:"), "\(failed.error)")
    #expect(try Cluster.leftovers() == "")

    let full = try Cluster.call("with", "--slots", "1", "-n", "3", "--", "true")
    #expect(full.exitCode == 2)
    #expect(full.error.contains("3 ranks do not fit into the 2 slots"), "\(full.error)")
    #expect(try Cluster.leftovers() == "")
  }

  @Test("SIGTERM to the script ends the ranks and takes the cluster down")
  func terminate() throws {
    // Unusual, so that no other process sleeps as long.
    let sleep = "98\(ProcessInfo.processInfo.processIdentifier)"
    let outcome = try Command.run(
      "/bin/sh",
      [
        "-c",
        """
        scripts/emulated-cluster with --name "$1" -n 2 -- sleep "$2" & script=$!
        until [ "$(ps -eo args | grep -c "^sleep $2")" = 2 ]; do sleep 0.1; done
        kill -TERM $script; wait $script; code=$?
        ps -eo args | grep "^sleep $2"; exit $code
        """, "sh", Cluster.name, sleep,
      ])
    #expect(outcome.exitCode == 143, "\(outcome.error)")
    #expect(outcome.output == "")
    #expect(try Cluster.leftovers() == "")
  }

  @Test("a node that dies ends the job, and the next `up` clears away what is left")
  func nodeDies() throws {
    defer { _ = try? Cluster.call("down") }
    let up = try Cluster.call("up")
    try #require(up.exitCode == 0, "\(up.error)")
    let outcome = try Command.run(
      "/bin/sh",
      [
        "-c",
        """
        scripts/emulated-cluster run --name "$1" -n 2 -- sleep 100 & job=$!
        until ip netns pids "$1-node2" | xargs -r ps -o args= -p | grep -q '^sleep 100'; do
          sleep 0.1
        done
        ip netns pids "$1-node2" | xargs kill -9
        wait $job
        """, "sh", Cluster.name,
      ])
    #expect(outcome.exitCode != 0)
    #expect(outcome.seconds < 30)
    #expect(outcome.error.contains("launch: "), "\(outcome.error)")
    let status = try Cluster.call("status")
    #expect(status.exitCode == 1)
    #expect(status.error.contains("\(Cluster.name)-node2' is dead"), "\(status.error)")
    #expect(try Cluster.call("up").exitCode == 0)
    #expect(try Cluster.call("status").exitCode == 0)
  }
}
