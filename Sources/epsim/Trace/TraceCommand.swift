// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim trace`.

internal import ArgumentParser

/// Looks into routing traces, makes them, changes their format and cuts them.
struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "Look into routing traces, convert, generate, sample and split them.",
    discussion: """
      A trace holds the experts that every token chose in every layer. Formats, told apart by
      content and name: safetensors (epsim's own), npy (array of ids), esft (folder of
      expert_weights_LAYER.txt), megatron (router_trace_rankRANK.jsonl), routed-experts (JSON of
      SGLang and vLLM).

      Examples:
        epsim trace inspect examples/traces/deepseek-v2-lite-law.safetensors
        epsim trace convert ids.npy trace.safetensors --experts 64 --first-layer 1
        epsim trace generate zipf.safetensors --model mixtral-8x7b \\
          --workload zipf:1.1 --tokens 4096
        epsim trace sample trace.safetensors small.safetensors --tokens 1000
        epsim trace split trace.safetensors --at 0.5 a.safetensors b.safetensors
      """,
    subcommands: [
      TraceInspectCommand.self, TraceConvertCommand.self, TraceGenerateCommand.self,
      TraceSampleCommand.self, TraceSplitCommand.self,
    ])
}
