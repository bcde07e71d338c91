// SPDX-License-Identifier: Apache-2.0
// epsim: routing traces as safetensors files, read and written.

internal import MoE

extension RoutingTrace {
  static let formatName = "epsim-routing-trace"
  static let formatVersion = "1"

  /// Reads a trace file.
  ///
  /// - Throws: ``InputError`` when the file is absent, cut, foreign or holds invalid routing.
  public init(contentsOfFile path: String) throws {
    let name = "trace \(path)"
    let bytes = try InputFile.bytes(ofPath: path, kind: "trace")
    try self.init(file: SafetensorsFile(bytes: bytes, name: name), name: name)
  }

  /// Takes the trace out of a safetensors container.
  ///
  /// Tensors: `expert_ids` [T, L, K] (I16, I32 or U8), `expert_weights` [T, L, K] (F16 or F32;
  /// absent means 1/K), `sequence_lengths` [samples] (I32; absent means one sequence). Metadata:
  /// `format`, `version`, `experts`, `first_layer`, and `top_k`, `layers`, which must agree with
  /// the shape; `layer_numbers` ("1,3,5") where layers are not consecutive; `model`, `domain`,
  /// `source`, `license` are free text.
  /// - Throws: ``InputError`` in one sentence.
  public init(file: SafetensorsFile, name: String) throws {
    let trace = try TraceFile(
      metadata: file.metadata, tensors: file.tensors, bytes: FileBytes(file.buffer),
      fileStart: file.dataStart, name: name)
    self = try trace.window(0..<trace.shape.tokenCount)
  }

  /// The trace as a container: weights as F32, sequence lengths as I32, ids as I16 where all experts
  /// fit, else as I32.
  public func safetensors() -> SafetensorsFile {
    let shape = [tokenCount, layerCount, topK]
    return SafetensorsFile(
      contents: [
        .init(
          name: "expert_weights", elementType: .f32, shape: shape,
          values: routingWeights.map(\.bitPattern)),
        .init(
          name: "sequence_lengths", elementType: .i32, shape: [sequenceLengths.count],
          values: sequenceLengths.map { Int32($0) }),
        self.shape.idType == .i16
          ? .init(
            name: "expert_ids", elementType: .i16, shape: shape,
            values: expertIndices.map { Int16($0) })
          : .init(name: "expert_ids", elementType: .i32, shape: shape, values: expertIndices),
      ],
      metadata: self.shape.metadata(origin))
  }
}

extension TraceShape {
  /// The type that expert ids are stored in.
  var idType: SafetensorsFile.ElementType { expertCount <= 1 << 15 ? .i16 : .i32 }

  /// The metadata of a safetensors trace of this shape.
  func metadata(_ origin: RoutingTrace.Origin) -> [String: String] {
    var metadata = [
      "format": RoutingTrace.formatName, "version": RoutingTrace.formatVersion,
      "model": origin.model, "domain": origin.domain, "source": origin.source,
      "license": origin.license, "experts": String(expertCount), "top_k": String(topK),
      "layers": String(layerCount), "first_layer": String(layers[0]),
    ]
    if layers.last! - layers[0] != layerCount - 1 {
      metadata["layer_numbers"] = layers.map(String.init).joined(separator: ",")
    }
    return metadata
  }
}
