// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim calibrate`.

internal import ArgumentParser
internal import CostModel
internal import ExpertParallel
internal import Foundation
internal import Kernels
internal import MPI
internal import MoE
internal import Reporting
internal import Workloads

/// Measures what this machine can do.
struct CalibrateCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract:
      "Measure this machine, or fit a table: profiles to project by, ways to exchange rows.",
    discussion: """
      Without --exchange it writes the profile of a cluster: start-up time and bandwidth
      inside a node and between nodes by size of message, the rate of experts by rows,
      copies, planning. 'project' and 'validate' compute by it (docs/projection.md).

      --exchange runs every engine (which copies travel, and how) on a grid of
      exchanges: even and skewed loads, few partners, short and long rows, few and
      many tokens. The table that it writes is what '--transport auto', '--dedup auto'
      and '--chunks auto' of run and compare choose by.

      Examples:
        scripts/launch -n 2 -- .build/release/epsim calibrate --output here.yaml
        epsim project --cluster here.yaml --ranks 2,4,8,16
        scripts/launch -n 2 -- .build/release/epsim calibrate --exchange \\
          --output exchange.json
        scripts/launch -n 2 -- .build/release/epsim compare \\
          --workload zipf:1.1 --transport alltoallv,p2p,auto \\
          --exchange-table exchange.json
      The sizes of one model:
        scripts/launch -n 4 -- .build/release/epsim calibrate --exchange \\
          --hidden 2048 --top-k 6 --tokens-per-rank 64,256,1024
      A table of your own:
        epsim calibrate --from times.csv --line-rate '25 Gbit/s' --output link.yaml
      """)

  @Flag(help: "Measure every way to exchange rows between ranks, and write a table of them.")
  var exchange = false

  @Option(
    help: """
      A CSV file to fit instead of measuring: columns bytes (of a message), us (of all messages), \
      peers (how many messages follow one another, 1 where the column is absent).
      """)
  var from: String?

  @Option(
    help: """
      The file that is written. Default: cluster.yaml; with --exchange exchange.json; with --from \
      none, it takes the links of a profile.
      """)
  var output: String?

  @Option(help: "Whose experts a profile measures: a preset, or the path of a file.")
  var model = "deepseek-v2-lite"

  @Option(help: "How rows travel while a profile is measured: alltoallv, p2p, shm+alltoallv ...")
  var transport = "alltoallv"

  @Option(
    help: """
      What a link between nodes can move at most, such as '25 Gbit/s': a profile that says more is \
      refused.
      """)
  var lineRate: String?

  @Flag(help: "A grid of six exchanges, for a first impression.")
  var quick = false

  @Option(help: "Lengths of a row. Default: 512,2048,6144; with --quick 256.")
  var hidden: String?

  @Option(help: "Experts per token, up to 64. Default: 2,8; with --quick 8.")
  var topK: String?

  @Option(help: "Tokens per rank. Default: 8,32,128,512; with --quick 16,128.")
  var tokensPerRank: String?

  @Option(
    parsing: .unconditional,
    help: "Measured repetitions of every exchange, at least 8. Default: 20; with --quick 8.")
  var steps: Int?

  @Option(help: "Format of the rows to the experts: f32, bf16. Default: bf16 where supported.")
  var dtype: String?

  @Option(parsing: .unconditional, help: "Seed of the workloads; with --from of the intervals.")
  var seed: UInt64 = 1

  @Flag(help: "With --exchange or --from: print JSON on stdout, and nothing else there.")
  var json = false

  func run(arguments: [String], on comm: borrowing Communicator) throws {
    if let from { return try fitTable(from, on: comm) }
    guard exchange else { return try measureProfile(on: comm) }
    guard comm.size > 1 else {
      throw InputError(
        "calibrate --exchange has nothing to measure on 1 rank, start it on several: "
          + "scripts/launch -n 2 -- epsim calibrate --exchange")
    }
    try comm.agree(classify: Launch.exitCode) {
      try requireNoProfileOptions()
      if comm.rank == 0 { try RunSession.requireWritable(tablePath, option: "output") }
    }
    let machine = try Machine(on: comm)
    let context = try comm.agree(classify: Launch.exitCode) {
      try RunSession.context(threads: 1)
    }
    let supportsBF16 =
      try comm.allReduce(Int32(context.environment.supportsBF16 ? 1 : 0), .min) == 1
    var grid = ExchangeGrid(
      topology: machine.topology,
      elementType: try RunSession.elementType(dtype, supportsBF16: supportsBF16), seed: seed)
    try apply(to: &grid)
    let start = Date()
    defer { if comm.rank == 0, Console.isTerminal { Console.replaceLine("") } }
    let calibration = ExchangeCalibration(grid: grid, machine: machine, context: context)
    let table = try calibration.table(on: comm) { done, count in
      guard Console.isTerminal else { return }
      let elapsed = Date().timeIntervalSince(start)
      let left = done == 0 ? "" : ", \(Int(elapsed.rounded(.up))) s so far"
      Console.replaceLine("exchange \(done + 1) of \(count)\(left)")
    }
    guard let table else { return }
    if Console.isTerminal { Console.replaceLine("") }
    do {
      try OutputFile.write(table.encoded(), toPath: tablePath)
    } catch {
      throw RunFailure("\(error)")
    }
    if json {
      print(String(decoding: try table.encoded(), as: UTF8.self), terminator: "")
      return
    }
    print(CalibrationReport(table, isFunctionalOnly: machine.isFunctionalOnly(threads: 1)).text)
    Console.note("exchange table: \(tablePath)")
  }

  private var tablePath: String { output ?? "exchange.json" }

  /// Takes the options over.
  private func apply(to grid: inout ExchangeGrid) throws {
    if quick {
      grid.topKs = [8]
      grid.hiddens = [256]
      grid.tokensPerRank = [16, 128]
      grid.steps = 8
    }
    if let hidden { grid.hiddens = try Self.list(hidden, "hidden", 1...65_536) }
    if let topK { grid.topKs = try Self.list(topK, "top-k", 1...64) }
    if let tokensPerRank {
      grid.tokensPerRank = try Self.list(tokensPerRank, "tokens-per-rank", 1...65_536)
    }
    if let steps {
      guard (8...10_000).contains(steps) else {
        throw InputError("--steps \(steps), accepted are 8 to 10000")
      }
      grid.steps = steps
    }
    let tokens = grid.tokensPerRank.last! * grid.topology.rankCount
    guard tokens <= 1_048_576 else {
      throw InputError(
        "--tokens-per-rank \(grid.tokensPerRank.last!) makes \(tokens) tokens, accepted are up to "
          + "1048576")
    }
  }

  /// Whole numbers, ascending, each once.
  private static func list(
    _ text: String, _ name: String, _ accepted: ClosedRange<Int>
  ) throws -> [Int] {
    let numbers = try text.split(separator: ",", omittingEmptySubsequences: false).map {
      guard let number = Int($0), accepted.contains(number) else {
        throw InputError(
          "--\(name) \(text): \"\($0)\", accepted are \(accepted.lowerBound) to "
            + "\(accepted.upperBound)")
      }
      return number
    }
    guard numbers.count <= 16 else {
      throw InputError("--\(name) has \(numbers.count) entries, accepted are up to 16")
    }
    return Set(numbers).sorted()
  }
}
