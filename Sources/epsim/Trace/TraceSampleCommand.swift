// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim trace sample`.

internal import ArgumentParser
internal import MoE
internal import Workloads

/// Takes random tokens or sequences out of a trace.
struct TraceSampleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample",
    abstract: "Write a random part of a trace.",
    discussion: """
      The order is kept, and the same seed takes the same part. Whole sequences keep what tokens of
      a text have in common; single tokens tell loads better.

      Examples:
        epsim trace sample trace.safetensors small.safetensors --tokens 1000
        epsim trace sample trace.safetensors small.safetensors --tokens 1000 \\
          --by sequence --seed 7
      """)

  @Argument(help: "Trace to read.")
  var input: String

  @Argument(help: "Trace to write.")
  var output: String

  @Option(
    parsing: .unconditional,
    help: "Tokens; by sequence, at least as many and no more than the last sequence adds.")
  var tokens: Int

  @Option(help: "What is taken: token or sequence.")
  var by = TraceUnit.token.rawValue

  @Option(parsing: .unconditional, help: "Seed of the choice.")
  var seed: UInt64 = 1

  @OptionGroup(title: "Input") var options: TraceInputOptions

  @Option(help: "Format of the output: \(TraceFormat.names). Default: by its ending.")
  var to: String?

  mutating func run() throws {
    let unit = try TraceUnit(option: by)
    let opened = try options.open(input)
    let trace = opened.source
    guard (1...trace.shape.tokenCount).contains(tokens) else {
      throw InputError("--tokens \(tokens), accepted are 1 to \(trace.shape.tokenCount)")
    }
    try TraceOutput.write(
      SelectedTrace(sampling: tokens, by: unit, of: trace, seed: seed), to: output, format: to)
    TraceOutput.note(opened.notes, of: input)
  }
}

extension TraceUnit {
  /// Parses the value of `--by`.
  init(option text: String) throws {
    guard let unit = Self(rawValue: text) else {
      let accepted = Self.allCases.map(\.rawValue).joined(separator: ", ")
      throw InputError("--by \(text), accepted are \(accepted)")
    }
    self = unit
  }
}
