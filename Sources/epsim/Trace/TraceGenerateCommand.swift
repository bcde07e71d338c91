// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim trace generate`.

internal import ArgumentParser
internal import Foundation
internal import MoE
internal import Workloads

/// Writes down what a generator routes.
struct TraceGenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Write the routing of a generator as a trace.",
    discussion: """
      Token t of the trace is position t of the workload's first step, so `epsim run` with the same
      model, workload and seed routes the same.

      Examples:
        epsim trace generate zipf.safetensors --model mixtral-8x7b \\
          --workload zipf:1.1 --tokens 4096
        epsim trace generate flat.npy --model deepseek-v3 --workload uniform \\
          --tokens 512 --layers 4
      """)

  @Argument(help: "Trace to write.")
  var output: String

  @Option(help: "Model preset, or the path of a preset file or of a config.json.")
  var model: String

  @Option(help: "Generator, such as uniform or zipf:1.1.")
  var workload: String

  @Option(parsing: .unconditional, help: "Tokens.")
  var tokens: Int

  @Option(help: "Layers: all, a count, or a range such as 3-10.")
  var layers = "all"

  @Option(parsing: .unconditional, help: "Seed of every draw.")
  var seed: UInt64 = 1

  @Option(help: "Format of the output: \(TraceFormat.names). Default: by its ending.")
  var to: String?

  mutating func run() throws {
    let document = try ModelLibrary.open(model)
    let shape = document.model
    try shape.requireExperts()
    let chosen = try WorkloadSetup.layers(layers, of: shape)
    guard (1...Int(Int32.max)).contains(tokens) else {
      throw InputError("--tokens \(tokens), accepted are 1 to \(Int32.max)")
    }
    let spec = try WorkloadSpec(parsing: workload)
    guard
      let generator = try spec.generator(
        expertCount: shape.expertCount, topK: shape.topK, layerCount: shape.layerCount, seed: seed,
        tokensPerStep: tokens,
        load: spec.loadPath.map { path in
          try LoadHistogram(
            bytes: InputFile.bytes(ofPath: path, kind: "load file"), name: "load file \(path)",
            layerLists: [Array(shape.moeLayers), chosen], expertCount: shape.expertCount)
        })
    else {
      throw InputError("--workload \(workload) is a trace already, a generator is needed")
    }
    let origin = RoutingTrace.Origin(
      model: shape.name, domain: "\(spec)", source: "epsim trace generate, seed \(seed)",
      license: "")
    try TraceOutput.write(
      GeneratedTrace(generator, origin: origin, layers: chosen, tokenCount: tokens),
      to: output, format: to)
    if let remark = ModelLibrary.remark(on: document, name: model) { Console.note(remark) }
  }
}
