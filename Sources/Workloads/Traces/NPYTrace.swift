// SPDX-License-Identifier: Apache-2.0
// epsim: traces as NumPy arrays, of ids and, beside them, of weights.

internal import MoE

/// Reads `.npy` arrays [T, L, K], or [T, L] where each token chose one expert.
///
/// Weights are a second array of the same shape: a file named by the person, or `NAME.weights.npy`
/// beside `NAME.npy`. The arrays stay mapped. The format lacks the number of experts, the first
/// layer's number and the sequences.
enum NPYTrace {
  static func open(path: String, options: TraceReadOptions) throws -> OpenedTrace {
    let name = "trace \(path)"
    var notes: [String] = []
    let (header, bytes) = try array(path: path, name: name)
    guard (2...3).contains(header.shape.count) else {
      throw InputError(
        "\(name): an array of shape \(header.shape), accepted are [tokens, layers, top-k] and "
          + "[tokens, layers]")
    }
    guard TokenTensor.idTypes.contains(header.elementType) else {
      throw InputError(
        "\(name): an array of type \(header.elementType.rawValue), expert ids are accepted as "
          + TokenTensor.idTypes.map(\.rawValue).joined(separator: ", "))
    }
    let (tokens, layers) = (header.shape[0], header.shape[1])
    let topK = header.shape.count == 3 ? header.shape[2] : 1
    guard tokens > 0, layers > 0, topK > 0 else {
      throw InputError("\(name): shape \(header.shape), every size must be at least 1")
    }
    guard (0..<layers).contains(options.skippedLayers) else {
      throw InputError(
        "\(name): --skip-layers \(options.skippedLayers) of \(layers), accepted are "
          + "0...\(layers - 1)")
    }

    var weights: TokenTensor?
    if let weightsPath = options.weightsPath ?? sibling(of: path) {
      let weightsName = "weights \(weightsPath)"
      let (header, bytes) = try array(path: weightsPath, name: weightsName)
      guard TokenTensor.weightTypes.contains(header.elementType) else {
        throw InputError(
          "\(weightsName): an array of type \(header.elementType.rawValue), accepted are "
            + TokenTensor.weightTypes.map(\.rawValue).joined(separator: ", "))
      }
      guard
        header.shape == [tokens, layers, topK] || topK == 1 && header.shape == [tokens, layers]
      else {
        throw InputError(
          "\(weightsName): shape \(header.shape), accepted is that of the ids, "
            + "\([tokens, layers, topK])")
      }
      if options.weightsPath == nil { notes.append("weights: \(weightsPath), found beside it") }
      weights = tensor(header, bytes, field: "array of weights", layers, topK, options)
    } else {
      notes.append("no weights: every choice has 1/\(topK)")
    }
    notes.append("no sequences in the format: all tokens are one sequence")
    let shape = try TraceShape(
      name: name, origin: .unknown, expertCount: options.requireExperts(name: name), topK: topK,
      layerCount: layers - options.skippedLayers,
      firstLayer: options.requireFirstLayer(name: name), tokenCount: tokens,
      hasWeights: weights != nil)
    return OpenedTrace(
      source: TraceFile(
        shape: shape, sequenceLengths: [tokens],
        ids: tensor(header, bytes, field: "array of ids", layers, topK, options),
        weights: weights), notes: notes)
  }

  /// The file of weights that belongs to a file of ids: `NAME.weights.npy`.
  static func weightsPath(of path: String) -> String {
    (path.hasSuffix(".npy") ? String(path.dropLast(4)) : path) + ".weights.npy"
  }

  private static func sibling(of path: String) -> String? {
    let sibling = weightsPath(of: path)
    return InputFile.exists(sibling) ? sibling : nil
  }

  private static func array(path: String, name: String) throws -> (NPYHeader, FileBytes) {
    let bytes = try InputFile.mapped(ofPath: path, kind: "trace")
    return (try bytes.withBytes { try NPYHeader(bytes: $0, name: name) }, bytes)
  }

  private static func tensor(
    _ header: NPYHeader, _ bytes: FileBytes, field: String, _ layers: Int, _ topK: Int,
    _ options: TraceReadOptions
  ) -> TokenTensor {
    TokenTensor(
      bytes: bytes, start: header.dataStart, field: field, elementType: header.elementType,
      layerCount: layers, skippedLayers: options.skippedLayers, topK: topK)
  }

  /// Writes ids, and weights beside them where the trace has some.
  static func write(_ source: any TraceSource, toPath path: String) throws -> [String] {
    let shape = source.shape
    let sizes = [shape.tokenCount, shape.layerCount, shape.topK]
    let ids = try AtomicOutput(path: path)
    try ids.append(NPYHeader.encoded(.i32, shape: sizes))
    let weightsPath = weightsPath(of: path)
    let weights = shape.hasWeights ? try AtomicOutput(path: weightsPath) : nil
    try weights?.append(NPYHeader.encoded(.f32, shape: sizes))
    try source.forEachWindow { _, window in
      try ids.append(window.expertIndices.littleEndianBytes())
      try weights?.append(window.routingWeights.map(\.bitPattern).littleEndianBytes())
    }
    try weights?.finish()
    try ids.finish()
    var notes = ["not in the format: experts, first layer, sequences, origin"]
    if weights != nil { notes.append("weights: \(weightsPath)") }
    return notes
  }
}

extension RoutingTrace.Origin {
  /// Of a trace whose format has no place for it.
  static let unknown = RoutingTrace.Origin(model: "", domain: "", source: "", license: "")
}
