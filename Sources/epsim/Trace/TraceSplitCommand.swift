// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim trace split`.

internal import ArgumentParser
internal import Foundation
internal import MoE
internal import Workloads

/// Cuts a trace in two.
struct TraceSplitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "split",
    abstract: "Cut a trace in two, such as one to fit placements to and one to judge them on.",
    discussion: """
      Examples:
        epsim trace split trace.safetensors --at 0.5 a.safetensors b.safetensors
        epsim trace split trace.safetensors --at 4000 --by sequence \\
          fit.safetensors judge.safetensors
      """)

  @Argument(help: "Trace to read.")
  var input: String

  @Argument(help: "Trace to write: the tokens before the cut.")
  var first: String

  @Argument(help: "Trace to write: the tokens after it.")
  var second: String

  @Option(
    parsing: .unconditional,
    help: "Where to cut: tokens of the first part, or its share (0.5) between 0 and 1.")
  var at: String

  @Option(help: "What the cut keeps whole: token, or sequence (the border that lies nearest).")
  var by = TraceUnit.token.rawValue

  @OptionGroup(title: "Input") var options: TraceInputOptions

  @Option(help: "Format of the outputs: \(TraceFormat.names). Default: by their endings.")
  var to: String?

  mutating func run() throws {
    let unit = try TraceUnit(option: by)
    let places = [input, first, second].map(Self.place)
    guard places[1] != places[2] else {
      throw InputError("\(second): both parts would go there, two outputs are needed")
    }
    for (output, place) in zip([first, second], places.dropFirst()) where place == places[0] {
      throw InputError("\(output): this is the trace to read, another output is needed")
    }
    let opened = try options.open(input)
    let trace = opened.source
    let parts = try SelectedTrace.split(trace, at: tokens(of: trace.shape.tokenCount), by: unit)
    try TraceOutput.write(parts.0, to: first, format: to)
    try TraceOutput.write(parts.1, to: second, format: to)
    TraceOutput.note(opened.notes, of: input)
  }

  /// Where a path leads, whatever way it is written; the file need not be there.
  private static func place(_ path: String) -> String {
    func resolved(_ path: String) -> String? {
      realpath(path, nil).map { resolved in
        defer { free(resolved) }
        return String(cString: resolved)
      }
    }
    if let place = resolved(path) { return place }
    let url = URL(fileURLWithPath: path)
    let folder = url.deletingLastPathComponent().path
    return (resolved(folder) ?? folder) + "/" + url.lastPathComponent
  }

  private func tokens(of count: Int) throws -> Int {
    if let tokens = Int(at), (1..<max(count, 1)).contains(tokens) { return tokens }
    if Int(at) == nil, let share = Double(at), share > 0, share < 1 {
      return min(max(Int((share * Double(count)).rounded()), 1), max(count - 1, 1))
    }
    throw InputError("--at \(at), accepted are 1 to \(count - 1) tokens or a share between 0 and 1")
  }
}
