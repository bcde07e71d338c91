// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim trace inspect`.

internal import ArgumentParser
internal import MoE
internal import Reporting
internal import Workloads

/// What a trace holds.
struct TraceInspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Check a trace and draw what it holds: load, fan-out, co-activation, drift.",
    discussion: """
      Every value is checked. Fan-out and drift stand beside what chance alone would give.

      Examples:
        epsim trace inspect examples/traces/deepseek-v2-lite-law.safetensors
        epsim trace inspect examples/traces/deepseek-v2-lite-law.safetensors \\
          --layer 12 --windows 4
        epsim trace inspect ids.npy --experts 64 --first-layer 0 --ascii
      """)

  @Argument(help: "Trace: a file, or a folder of text files (esft) or JSON lines (megatron).")
  var path: String

  @OptionGroup(title: "Input") var input: TraceInputOptions

  @Option(
    parsing: .unconditional,
    help: "Layer whose expert pairs are counted. Default: the one with the largest max/mean.")
  var layer: Int?

  @Option(
    parsing: .unconditional,
    help: "Parts that the drift compares. Default: 8, or as many as tokens.")
  var windows: Int?

  @Flag(help: "Draw with characters of ASCII only.")
  var ascii = false

  @Flag(help: "Print the figures as JSON on stdout, and nothing else there.")
  var json = false

  mutating func run() throws {
    let opened = try input.open(path)
    let source = opened.source
    let shape = source.shape
    if let layer, !shape.layers.contains(layer) {
      throw InputError(
        "--layer \(layer), \(shape.name) has \(shape.layerCount) layers from "
          + "\(shape.layers[0]) to \(shape.layers.last!)")
    }
    if let windows, !(1...min(shape.tokenCount, 1000)).contains(windows) {
      throw InputError(
        "--windows \(windows), accepted are 1 to \(min(shape.tokenCount, 1000))")
    }
    let statistics = try TraceStatistics(
      source, windowCount: windows ?? min(8, shape.tokenCount))
    let hasPairs = shape.topK > 1 && shape.expertCount <= CoActivation.maximumExpertCount
    let pairs =
      hasPairs
      ? try TraceStatistics.coActivation(
        of: source,
        layer: layer.flatMap(shape.layers.firstIndex) ?? statistics.mostUnequalLayer) : nil
    let record = TraceRecord(statistics, pairs: pairs)
    print(
      json
        ? try RecordCoding.text(record)
        : TraceReport(record, drawing: TraceDrawing(ascii: ascii)).text)
    TraceOutput.note(opened.notes, of: path)
  }
}
