// SPDX-License-Identifier: Apache-2.0
// epsim: the options of commands that read and write traces.

internal import ArgumentParser
internal import Foundation
internal import MoE
internal import Workloads

/// What the format of a trace is and what it lacks.
struct TraceInputOptions: ParsableArguments {
  @Option(help: "Format of the input: \(TraceFormat.names). Default: by content and name.")
  var from: String?

  @Option(parsing: .unconditional, help: "Routed experts of a layer, where the format lacks them.")
  var experts: Int?

  @Option(parsing: .unconditional, help: "Experts per token, where the format lacks them.")
  var topK: Int?

  @Option(
    parsing: .unconditional,
    help: "Number of the first recorded layer in the model, where the format lacks it.")
  var firstLayer: Int?

  @Option(
    parsing: .unconditional,
    help: "Layers of a base64 array without a shape (SGLang), dense layers included.")
  var traceLayers: Int?

  @Option(
    parsing: .unconditional,
    help: "Leading layers of the array to leave out because they are dense (npy, routed-experts).")
  var skipLayers = 0

  @Option(help: "Weights of an npy trace (.npy). Default: NAME.weights.npy beside it.")
  var weights: String?

  @Option(
    help:
      "Model of the trace; a preset or a config.json says experts, top-k and first layer where they lack."
  )
  var model: String?

  /// Opens a trace.
  func open(_ path: String) throws -> OpenedTrace {
    let format =
      try from.map { try TraceFormat(parsing: $0, option: "--from") }
      ?? TraceFormat(ofInput: path)
    for (option, value) in [
      ("--experts", experts), ("--top-k", topK), ("--trace-layers", traceLayers),
    ] {
      guard (1...65_536).contains(value ?? 1) else {
        throw InputError("\(option) \(value!), accepted are 1 to 65536")
      }
    }
    for (option, value) in [("--first-layer", firstLayer ?? 0), ("--skip-layers", skipLayers)] {
      guard (0...65_535).contains(value) else {
        throw InputError("\(option) \(value), accepted are 0 to 65535")
      }
    }
    var options = TraceReadOptions()
    options.expertCount = experts
    options.topK = topK
    options.firstLayer = firstLayer
    options.layerCount = traceLayers
    options.skippedLayers = skipLayers
    options.weightsPath = weights
    if let shape = try preset() {
      options.expertCount = options.expertCount ?? shape.expertCount
      options.topK = options.topK ?? shape.topK
      if format == .npy || format == .routedExperts {
        options.firstLayer = options.firstLayer ?? shape.moeLayers.first
      }
    }
    return try format.open(path: path, options: options)
  }

  /// The model that `--model` names, nil where the name is only a label.
  private func preset() throws -> ModelShape? {
    guard let model, (try? ModelLibrary.path(of: model)) != nil else { return nil }
    return try ModelLibrary.open(model).model
  }
}

/// Where a trace goes.
enum TraceOutput {
  /// Tells the person what a reader or writer remarks.
  static func note(_ remarks: [String], of path: String) {
    for remark in remarks { Console.note("\(path): \(remark)") }
  }

  /// Writes a trace, in the format that is named or that the ending asks for, and says so.
  static func write(
    _ source: any TraceSource, origin: RoutingTrace.Origin? = nil, to path: String,
    format: String?
  ) throws {
    let format =
      try format.map { try TraceFormat(parsing: $0, option: "--to") }
      ?? TraceFormat(ofOutput: path)
    let notes = try format.write(source, origin: origin ?? source.shape.origin, toPath: path)
    note(notes, of: path)
    let shape = source.shape
    func counted(_ count: Int, _ word: String) -> String {
      "\(count) \(word)\(count == 1 ? "" : "s")"
    }
    print(
      "\(path): \(counted(shape.tokenCount, "token")) in "
        + "\(counted(source.sequenceLengths.count, "sequence")), "
        + "\(counted(shape.layerCount, "layer")) from \(shape.layers[0]) on, top-\(shape.topK) of "
        + "\(shape.expertCount) experts (\(format.rawValue))")
  }
}
