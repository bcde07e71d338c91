// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim trace convert`.

internal import ArgumentParser
internal import MoE
internal import Workloads

/// Changes the format of a trace.
struct TraceConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Read a trace in one format, check it, write it in another.",
    discussion: """
      Remarks on what a format lacks go to stderr; docs/traces.md describes the
      formats. Where weights lack, every choice has 1/K. The output appears whole or
      not at all; safetensors and npy may be larger than memory.

      Examples:
        epsim trace convert ids.npy trace.safetensors --weights weights.npy \\
          --experts 64 --first-layer 1 --domain law --license MIT
        epsim trace convert expert_scores/law law.safetensors \\
          --model deepseek-v2-lite
        epsim trace convert router_trace_rank0.jsonl t.safetensors --experts 512
        epsim trace convert responses.jsonl t.safetensors --experts 256 \\
          --first-layer 3 --trace-layers 61 --top-k 8 --skip-layers 3
        epsim trace convert trace.safetensors scores/
      """)

  @Argument(help: "Trace to read.")
  var input: String

  @Argument(
    help: "Trace to write: .safetensors, .npy, .jsonl (megatron), .json, or a new folder/ (esft).")
  var output: String

  @OptionGroup(title: "Input") var options: TraceInputOptions

  @Option(help: "Format of the output: \(TraceFormat.names). Default: by its ending.")
  var to: String?

  @Option(help: "Kind of text, to be recorded in the output.")
  var domain: String?

  @Option(help: "Where the data comes from, to be recorded in the output.")
  var source: String?

  @Option(help: "Licence of the data, to be recorded in the output.")
  var license: String?

  mutating func run() throws {
    let opened = try options.open(input)
    let trace = opened.source
    var origin = trace.shape.origin
    if let model = options.model { origin.model = model }
    if let domain { origin.domain = domain }
    if let source { origin.source = source }
    if let license { origin.license = license }
    try TraceOutput.write(trace, origin: origin, to: output, format: to)
    TraceOutput.note(opened.notes, of: input)
  }
}
