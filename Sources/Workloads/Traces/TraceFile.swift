// SPDX-License-Identifier: Apache-2.0
// epsim: traces that stay in their file and are read window by window.

internal import MoE

/// A trace in arrays of a mapped file.
///
/// Opening reads and checks the header and the sequence lengths only, so a file of any size opens at
/// once. Ids and weights are checked when their window is read.
public struct TraceFile: TraceSource {
  public let shape: TraceShape
  /// [T, L, K] chosen experts.
  let ids: TokenTensor
  /// [T, L, K] weights; nil where none were recorded.
  let weights: TokenTensor?
  private let sequences: SequenceIndex

  /// Opens a trace of epsim's own format, a safetensors container.
  ///
  /// - Throws: ``InputError`` when the file is absent, cut or foreign, or its header contradicts
  ///   itself.
  public init(path: String) throws {
    let name = "trace \(path)"
    let bytes = try InputFile.mapped(ofPath: path, kind: "trace")
    let layout = try bytes.withBytes { try SafetensorsLayout(bytes: $0, name: name) }
    try self.init(
      metadata: layout.metadata, tensors: layout.tensors, bytes: bytes,
      dataStart: layout.dataStart, fileStart: 0, name: name)
  }

  /// Arrays that were found in a file.
  ///
  /// - Precondition: both hold at least the tokens of the shape.
  init(shape: TraceShape, sequenceLengths: [Int], ids: TokenTensor, weights: TokenTensor?) {
    self.shape = shape
    self.ids = ids
    self.weights = weights
    sequences = SequenceIndex(lengths: sequenceLengths)
  }

  public var sequenceLengths: [Int] { sequences.lengths }

  public func window(_ tokens: Range<Int>) throws -> RoutingTrace {
    precondition(
      !tokens.isEmpty && tokens.lowerBound >= 0 && tokens.upperBound <= shape.tokenCount,
      "window \(tokens) of a trace of \(shape.tokenCount) tokens")
    return try RoutingTrace(
      shape: shape, sequenceLengths: sequences.lengths(in: tokens),
      expertIndices: ids.ids(tokens, name: shape.name), routingWeights: weights?.weights(tokens),
      place: TracePlace(firstToken: tokens.lowerBound, ids: ids, weights: weights))
  }
}

extension TraceFile {
  /// Finds the trace in a safetensors container.
  ///
  /// - Parameters:
  ///   - dataStart: where the tensors' data begins in `bytes`.
  ///   - fileStart: where `bytes` begins in the file that errors speak of.
  init(
    metadata: [String: String], tensors: [SafetensorsFile.Tensor], bytes: FileBytes,
    dataStart: Int = 0, fileStart: Int, name: String
  ) throws {
    let header = Header(metadata: metadata, tensors: tensors, name: name)
    try header.checkFormat()
    let ids = try header.tensor("expert_ids", types: [.i16, .i32, .u8], rank: 3)
    let (tokens, layers, topK) = (ids.shape[0], ids.shape[1], ids.shape[2])
    guard tokens > 0, layers > 0, topK > 0 else {
      throw InputError("\(name): expert_ids has shape \(ids.shape), every size must be at least 1")
    }
    for (key, size) in [("top_k", topK), ("layers", layers)] where metadata[key] != nil {
      let stated = try header.number(key)
      guard stated == size else {
        throw InputError(
          "\(name): metadata says \(key) \(stated), the shape of expert_ids says \(size)")
      }
    }
    let weights =
      try header.has("expert_weights")
      ? header.tensor("expert_weights", types: [.f16, .f32], rank: 3) : nil
    if let weights, weights.shape != ids.shape {
      throw InputError(
        "\(name): expert_weights has shape \(weights.shape), expert_ids has \(ids.shape)")
    }
    let shape = try TraceShape(
      name: name, origin: header.origin, expertCount: header.number("experts"), topK: topK,
      layers: header.layers(count: layers), tokenCount: tokens, hasWeights: weights != nil)
    func tensor(_ tensor: SafetensorsFile.Tensor) -> TokenTensor {
      TokenTensor(
        bytes: bytes, start: dataStart + tensor.byteRange.lowerBound, fileStart: fileStart,
        field: tensor.name, elementType: tensor.elementType, layerCount: layers, topK: topK)
    }
    var lengths = [tokens]
    if header.has("sequence_lengths") {
      let stored = try header.tensor("sequence_lengths", types: [.i32], rank: 1)
      // Checked before they are read: every sequence has a token, so there cannot be more of them.
      guard stored.elementCount <= tokens else {
        throw InputError(
          "\(name): sequence_lengths has \(stored.elementCount) entries for \(tokens) tokens, "
            + "accepted is at most one for each")
      }
      let start = dataStart + stored.byteRange.lowerBound
      lengths = bytes.withBytes { bytes in
        (0..<stored.elementCount).map { index in
          let length = bytes.loadUnaligned(fromByteOffset: start + 4 * index, as: Int32.self)
          return Int(Int32(littleEndian: length))
        }
      }
      try RoutingTrace.checkSequences(lengths, tokenCount: tokens, name: name)
    }
    self.init(
      shape: shape, sequenceLengths: lengths, ids: tensor(ids), weights: weights.map(tensor))
  }

  /// Metadata and tensors of a container, looked up with errors that name what is missing.
  private struct Header {
    let metadata: [String: String]
    let tensors: [SafetensorsFile.Tensor]
    let name: String

    var origin: RoutingTrace.Origin {
      RoutingTrace.Origin(
        model: metadata["model"] ?? "", domain: metadata["domain"] ?? "",
        source: metadata["source"] ?? "", license: metadata["license"] ?? "")
    }

    func checkFormat() throws {
      guard metadata["format"] == RoutingTrace.formatName else {
        throw InputError(
          "\(name): its metadata does not say format \(RoutingTrace.formatName), so it is a "
            + "safetensors file of another kind")
      }
      guard metadata["version"] == RoutingTrace.formatVersion else {
        throw InputError(
          "\(name): trace version \(metadata["version"]?.excerpt ?? "is missing"), accepted is "
            + RoutingTrace.formatVersion)
      }
    }

    func has(_ key: String) -> Bool { tensors.contains { $0.name == key } }

    func tensor(_ key: String, types: [SafetensorsFile.ElementType], rank: Int) throws
      -> SafetensorsFile.Tensor
    {
      guard let tensor = tensors.first(where: { $0.name == key }) else {
        throw InputError("\(name): tensor \(key) is missing")
      }
      guard types.contains(tensor.elementType) else {
        throw InputError(
          "\(name): \(key) has dtype \(tensor.elementType.rawValue), accepted are "
            + types.map(\.rawValue).joined(separator: ", "))
      }
      guard tensor.shape.count == rank else {
        throw InputError(
          "\(name): \(key) has shape \(tensor.shape), accepted are shapes of \(rank) sizes")
      }
      return tensor
    }

    /// The layers' numbers: `layer_numbers`, or consecutive from `first_layer` on.
    func layers(count: Int) throws -> [Int] {
      let first = try number("first_layer")
      let maximum = RoutingTrace.maximumExpertCount
      guard (1...maximum).contains(count), (0...maximum).contains(first) else {
        throw InputError(
          "\(name): \(count) layers from layer \(first) on, accepted are 1...\(maximum) from "
            + "0...\(maximum) on")
      }
      guard let text = metadata["layer_numbers"] else { return Array(first..<first + count) }
      let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
      guard numbers.count == count, numbers.first == first, !numbers.contains(nil) else {
        throw InputError(
          "\(name): metadata says layer_numbers \"\(text.excerpt)\", accepted are \(count) numbers "
            + "from \(first) on, separated by commas")
      }
      return numbers.compactMap { $0 }
    }

    func number(_ key: String) throws -> Int {
      guard let text = metadata[key] else {
        throw InputError("\(name): the metadata has no \(key)")
      }
      guard let number = Int(text) else {
        throw InputError(
          "\(name): metadata says \(key) \"\(text.excerpt)\", accepted are whole numbers")
      }
      return number
    }
  }
}
