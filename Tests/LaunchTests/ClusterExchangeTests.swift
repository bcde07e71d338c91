// SPDX-License-Identifier: Apache-2.0
// epsim: exchanges between unequal nodes of an emulated cluster, against counters and interfaces.

import Foundation
import TestSupport
import Testing

/// What these tests read of a record.
private struct Record: Decodable {
  struct Ways: Decodable {
    let dispatch: Double
    let combine: Double
  }
  struct Case: Decodable {
    let name: String
    let dedup: String
    let outputDigest: String
    let bytes: [String: Ways]
    let copies: [String: Ways]
  }
  struct Environment: Decodable { let hosts: [String] }
  let environment: Environment
  let cases: [Case]
}

/// What they read of `epsim traffic --json`.
private struct Traffic: Decodable {
  let layer1SendMatrix: [[Int]]
  let layer1SendMatrixDedup: [[Int]]
}

/// Three ranks on one node and one on the other; the suite's other tests use the same cluster.
extension ClusterTests {
  private static let epsim = Command.products.appending(path: "epsim").path
  private static let nodeOfRank = [0, 0, 0, 1]

  private static func decode<Value: Decodable>(_ outcome: Command) throws -> Value {
    try #require(outcome.exitCode == 0, "\(outcome.error)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Value.self, from: Data(outcome.output.utf8))
  }

  private static func unequal(_ arguments: [String]) throws -> Command {
    try Cluster.call(
      ["with", "--nodes", "2", "--slots", "3", "-n", "4", "--timeout", "60", "--", epsim]
        + arguments + ["--workload", "zipf:1.1", "--output", "-", "--json"])
  }

  @Test("3 + 1 ranks: every exchange gives the bits of one rank, and moves what is counted")
  func unequalNodes() throws {
    let words = ["--model", "tiny", "--layers", "1", "--tokens", "96", "--steps", "1"]
    let run = words + ["--warmup", "0"]
    let alone: Record = try Self.decode(
      Command.run(
        Self.epsim, ["run"] + run + ["--workload", "zipf:1.1", "--output", "-", "--json"]))
    let record: Record = try Self.decode(
      Self.unequal(
        ["compare"] + run
          + ["--dedup", "none,rank,node", "--transport", "alltoallv,p2p,shm+p2p,shm+alltoallv"]))
    #expect(
      record.environment.hosts == [1, 1, 1, 2].map { "\(Cluster.name)-node\($0)" })
    #expect(record.cases.count == 12)
    #expect(
      Set(record.cases.map(\.outputDigest)) == [alone.cases[0].outputDigest],
      "\(record.cases.map { ($0.name, $0.outputDigest) })")

    let traffic: [Traffic] = try Self.decode(
      Command.run(
        Self.epsim,
        ["traffic", "--workload", "zipf:1.1", "--ranks", "4", "--json"] + words.dropLast(2)))
    // Cells from a node to the other.
    func cells(_ matrix: [[Int]], from node: Int) -> [Int] {
      matrix.indices.flatMap { source in
        matrix.indices.filter {
          Self.nodeOfRank[source] == node && Self.nodeOfRank[$0] != node
        }.map { matrix[source][$0] }
      }
    }
    let raw = [0, 1].flatMap { cells(traffic[0].layer1SendMatrix, from: $0) }.reduce(0, +)
    let dedup = [0, 1].map { cells(traffic[0].layer1SendMatrixDedup, from: $0) }
    for entry in record.cases {
      let left = try #require(entry.copies["travelled_off_node"])
      #expect(left.combine == Double(raw), "\(entry.name)")
      switch entry.dedup {
      case "none": #expect(left.dispatch == Double(raw), "\(entry.name)")
      case "rank":
        #expect(left.dispatch == Double(dedup.joined().reduce(0, +)), "\(entry.name)")
      default:
        // To the node of one rank a copy per node is one per rank; from there it is at least the
        // most for a rank, and at most one for each.
        let there = dedup[0].reduce(0, +)
        let back = dedup[1].max()!...dedup[1].reduce(0, +)
        #expect(back.contains(Int(left.dispatch) - there), "\(entry.name)")
        #expect(left.dispatch == entry.copies["off_node_node_dedup"]?.dispatch)
        #expect(left.dispatch < Double(dedup.joined().reduce(0, +)))
      }
    }
    #expect(try Cluster.leftovers() == "")
  }

  @Test("3 + 1 ranks: interfaces send the bytes that are counted", arguments: ["none", "node"])
  func interfaceBytes(dedup: String) throws {
    let steps = 20
    let outcome = try Self.unequal(
      [
        "run", "--model", "tiny", "--layers", "2", "--tokens", "512", "--steps", "\(steps)",
        "--warmup", "0", "--compute", "none", "--dedup", dedup, "--transport", "p2p",
      ])
    let record: Record = try Self.decode(outcome)
    let bytes = try #require(record.cases[0].bytes["off_node"])
    let expected = Double(steps) * (bytes.dispatch + bytes.combine)
    let sent = outcome.error.split(separator: "\n").filter { $0.hasSuffix(" bytes") }
      .compactMap { $0.split(separator: " ").dropLast().last.flatMap { Double($0) } }
    try #require(sent.count == 2, "\(outcome.error)")
    // Headers, acknowledgements, counts, clocks and results come on top.
    let ratio = sent.reduce(0, +) / expected
    #expect(ratio >= 1 && ratio <= 1.15, "\(sent) bytes sent, \(expected) counted")
  }
}
