// SPDX-License-Identifier: Apache-2.0
// epsim: routed experts in the responses of SGLang and vLLM.

internal import MoE

/// Reads `routed_experts` out of response JSON: one document or one per line, at any depth.
///
/// Accepted are nested lists [tokens][layers][k]; base64 of an `.npy` file (vLLM); base64 of Int32
/// without a shape (SGLang, `meta_info` or `sgl_ext`), which needs the layers and top-k; and objects
/// of `data`, `shape` and `dtype`. Each becomes a sequence; `prompt_routed_experts` of the same
/// document comes before the first. SGLang records a row for dense layers too: leave them out with
/// `skippedLayers`. The format lacks weights, the number of experts and the first layer.
/// Source: docs.vllm.ai "Routed Experts Replay"; docs.sglang.io "Returning Routed Experts".
enum RoutedExpertsTrace {
  static func open(path: String, options: TraceReadOptions) throws -> OpenedTrace {
    let name = "trace \(path)"
    let bytes = try InputFile.mapped(ofPath: path, kind: "trace")
    return try bytes.withBytes { try parse($0, name: name, options: options) }
  }

  private static func parse(
    _ bytes: UnsafeRawBufferPointer, name: String, options: TraceReadOptions
  ) throws -> OpenedTrace {
    var reader = JSONReader(bytes: bytes, name: name)
    var shape: (layers: Int, topK: Int)?
    var lengths: [Int] = []
    var ids: [Int32] = []
    while reader.peek() != nil {
      let start = reader
      var document = Document(layerCount: options.layerCount, topK: options.topK, name: name)
      try document.read(&reader)
      for array in document.sequences where array.tokens > 0 {
        guard shape == nil || shape! == (array.layers, array.topK) else {
          throw start.wrong(
            "routed_experts of [tokens, \(array.layers), \(array.topK)], earlier ones are of "
              + "[tokens, \(shape!.layers), \(shape!.topK)], in the document")
        }
        shape = (array.layers, array.topK)
        guard (0..<array.layers).contains(options.skippedLayers) else {
          throw InputError(
            "\(name): --skip-layers \(options.skippedLayers) of \(array.layers), accepted are "
              + "0...\(array.layers - 1)")
        }
        lengths.append(array.tokens)
        let perToken = array.layers * array.topK
        for token in 0..<array.tokens {
          let first = token * perToken + options.skippedLayers * array.topK
          ids += array.ids[first..<(token + 1) * perToken]
        }
      }
    }
    guard let shape else {
      throw InputError("\(name): there is no routed_experts in it that is not empty or null")
    }
    let trace = try RoutingTrace(
      shape: TraceShape(
        name: name, origin: .unknown, expertCount: options.requireExperts(name: name),
        topK: shape.topK, layerCount: shape.layers - options.skippedLayers,
        firstLayer: options.requireFirstLayer(name: name), tokenCount: 0, hasWeights: false),
      sequenceLengths: lengths, expertIndices: ids, routingWeights: nil, place: TracePlace())
    return OpenedTrace(
      source: trace, notes: ["no weights in the format: every choice has 1/\(shape.topK)"])
  }

  /// Writes one response per line and sequence, as vLLM answers: base64 of an `.npy` file of Int32.
  static func write(_ source: any TraceSource, toPath path: String) throws -> [String] {
    let shape = source.shape
    let output = try AtomicOutput(path: path)
    try source.forEachSequence { sequence in
      let sizes = [sequence.tokenCount, shape.layerCount, shape.topK]
      let array =
        NPYHeader.encoded(.i32, shape: sizes) + sequence.expertIndices.littleEndianBytes()
      try output.append(
        Array("{\"choices\": [{\"routed_experts\": \"".utf8) + Base64.encoded(array)
          + Array("\"}]}\n".utf8))
    }
    try output.finish()
    return ["not in the format: experts, first layer, weights, origin"]
  }

  /// The arrays of a response.
  private struct Document {
    let layerCount: Int?
    let topK: Int?
    let name: String
    private var prompt: RoutedExpertsArray?
    private var choices: [RoutedExpertsArray] = []

    init(layerCount: Int?, topK: Int?, name: String) {
      self.layerCount = layerCount
      self.topK = topK
      self.name = name
    }

    /// One per choice; the prompt's tokens belong to the first.
    var sequences: [RoutedExpertsArray] {
      guard var prompt else { return choices }
      guard let first = choices.first, first.layers == prompt.layers, first.topK == prompt.topK
      else { return [prompt] + choices }
      prompt.ids += first.ids
      prompt.tokens += first.tokens
      return [prompt] + choices.dropFirst()
    }

    mutating func read(_ reader: inout JSONReader) throws {
      switch reader.peek() {
      case UInt8(ascii: "{"):
        try reader.object { reader, key in
          guard key == "routed_experts" || key == "prompt_routed_experts" else {
            return try read(&reader)
          }
          if reader.takesNull() { return }
          let array = try RoutedExpertsArray(
            &reader, field: key, layerCount: layerCount, topK: topK, name: name)
          if key == "routed_experts" {
            choices.append(array)
          } else {
            prompt = array
          }
        }
      case UInt8(ascii: "["): try reader.array { try read(&$0) }
      default: try reader.skip()
      }
    }
  }
}
