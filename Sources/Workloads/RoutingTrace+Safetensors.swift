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
  /// the shape; `model`, `domain`, `source`, `license` are free text.
  /// - Throws: ``InputError`` in one sentence.
  public init(file: SafetensorsFile, name: String) throws {
    guard file.metadata["format"] == Self.formatName else {
      throw InputError(
        "\(name): its metadata does not say format \(Self.formatName), so it is a safetensors "
          + "file of another kind")
    }
    guard file.metadata["version"] == Self.formatVersion else {
      throw InputError(
        "\(name): trace version \(file.metadata["version"] ?? "is missing"), accepted is "
          + Self.formatVersion)
    }
    let ids = try Self.tensor(
      "expert_ids", in: file, types: [.i16, .i32, .u8], rank: 3, name: name)
    let (tokens, layers, topK) = (ids.shape[0], ids.shape[1], ids.shape[2])
    guard tokens > 0, layers > 0, topK > 0 else {
      throw InputError(
        "\(name): expert_ids has shape \(ids.shape), every size must be at least 1")
    }
    let expertCount = try Self.number("experts", in: file, name: name)
    for (key, size) in [("top_k", topK), ("layers", layers)]
    where file.metadata[key] != nil {
      let stated = try Self.number(key, in: file, name: name)
      guard stated == size else {
        throw InputError(
          "\(name): metadata says \(key) \(stated), the shape of expert_ids says \(size)")
      }
    }

    var weights: [Float]?
    if file.tensor("expert_weights") != nil {
      let tensor = try Self.tensor(
        "expert_weights", in: file, types: [.f16, .f32], rank: 3, name: name)
      guard tensor.shape == ids.shape else {
        throw InputError(
          "\(name): expert_weights has shape \(tensor.shape), expert_ids has \(ids.shape)")
      }
      weights =
        tensor.elementType == .f16
        ? file.values(of: tensor, as: UInt16.self) { Float(halfBits: $0) }
        : file.values(of: tensor, as: UInt32.self) { Float(bitPattern: $0) }
    }
    var lengths: [Int]?
    if file.tensor("sequence_lengths") != nil {
      let tensor = try Self.tensor(
        "sequence_lengths", in: file, types: [.i32], rank: 1, name: name)
      lengths = file.values(of: tensor, as: Int32.self) { Int($0) }
    }
    let experts: [Int32] =
      switch ids.elementType {
      case .u8: file.values(of: ids, as: UInt8.self) { Int32($0) }
      case .i16: file.values(of: ids, as: Int16.self) { Int32($0) }
      default: file.values(of: ids, as: Int32.self) { $0 }
      }
    try self.init(
      name: name,
      origin: Origin(
        model: file.metadata["model"] ?? "", domain: file.metadata["domain"] ?? "",
        source: file.metadata["source"] ?? "", license: file.metadata["license"] ?? ""),
      expertCount: expertCount, topK: topK, layerCount: layers,
      firstLayer: Self.number("first_layer", in: file, name: name),
      sequenceLengths: lengths, expertIndices: experts, routingWeights: weights)
  }

  /// The trace as a container: ids as I32, weights as F32, sequence lengths as I32.
  public func safetensors() -> SafetensorsFile {
    let shape = [tokenCount, layerCount, topK]
    return SafetensorsFile(
      contents: [
        .init(
          name: "expert_weights", elementType: .f32, shape: shape,
          values: routingWeights.map(\.bitPattern)),
        .init(name: "expert_ids", elementType: .i32, shape: shape, values: expertIndices),
        .init(
          name: "sequence_lengths", elementType: .i32, shape: [sequenceLengths.count],
          values: sequenceLengths.map { Int32($0) }),
      ],
      metadata: [
        "format": Self.formatName, "version": Self.formatVersion, "model": origin.model,
        "domain": origin.domain, "source": origin.source, "license": origin.license,
        "experts": String(expertCount), "top_k": String(topK), "layers": String(layerCount),
        "first_layer": String(firstLayer),
      ])
  }

  private static func tensor(
    _ key: String, in file: SafetensorsFile, types: [SafetensorsFile.ElementType], rank: Int,
    name: String
  ) throws -> SafetensorsFile.Tensor {
    guard let tensor = file.tensor(key) else {
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

  private static func number(_ key: String, in file: SafetensorsFile, name: String) throws -> Int {
    guard let text = file.metadata[key] else {
      throw InputError("\(name): the metadata has no \(key)")
    }
    guard let number = Int(text) else {
      throw InputError("\(name): metadata says \(key) \"\(text)\", accepted are whole numbers")
    }
    return number
  }
}

extension SafetensorsFile {
  /// Decodes the little-endian elements of a tensor.
  fileprivate func values<Stored: FixedWidthInteger & BitwiseCopyable, Value>(
    of tensor: Tensor, as type: Stored.Type, _ convert: (Stored) -> Value
  ) -> [Value] {
    buffer.withUnsafeBytes { bytes in
      let start = tensor.byteRange.lowerBound
      return (0..<tensor.elementCount).map { index in
        let offset = start + index * MemoryLayout<Stored>.size
        return convert(Stored(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type)))
      }
    }
  }
}

extension Float {
  /// Decodes an IEEE 754 half-precision number exactly.
  ///
  /// `Float16` is absent on some platforms, hence by bits: shifting exponent and fraction into
  /// place and scaling by 2^112 corrects the exponent bias, for subnormal numbers as well.
  init(halfBits bits: UInt16) {
    let sign = UInt32(bits & 0x8000) << 16
    let magnitude = UInt32(bits & 0x7fff) << 13
    if magnitude >= 0x0f80_0000 {  // infinity or NaN
      self.init(bitPattern: sign | 0x7000_0000 | magnitude)
    } else {
      let scaled = Float(bitPattern: magnitude) * Float(bitPattern: 0x7780_0000)
      self.init(bitPattern: sign | scaled.bitPattern)
    }
  }
}
