// SPDX-License-Identifier: Apache-2.0
// epsim: one array of routed experts, in any of the forms that servers answer with.

internal import MoE

/// Expert ids [tokens, layers, k] of a response.
struct RoutedExpertsArray {
  var tokens = 0
  var layers = 0
  var topK = 0
  /// [tokens, layers, k]
  var ids: [Int32] = []

  /// Reads nested lists, a base64 string, or an object of `data`, `shape` and `dtype`.
  ///
  /// - Throws: ``InputError`` that names field and byte.
  init(
    _ reader: inout JSONReader, field: String, layerCount: Int?, topK: Int?, name: String
  ) throws {
    switch reader.peek() {
    case UInt8(ascii: "["): try readLists(&reader, field: field)
    case UInt8(ascii: "{"): try readObject(&reader, field: field, name: name)
    default:
      let start = reader
      let bytes = try Self.decoded(&reader, field: field)
      guard !bytes.starts(with: NPYHeader.magic) else {
        try readNPY(bytes, field: field, name: name)
        return
      }
      guard let layerCount, let topK else {
        throw start.wrong(
          "\(field) is base64 without a shape, add --trace-layers and --top-k or --model,")
      }
      guard layerCount > 0, topK > 0, layerCount <= 65_536, topK <= 65_536,
        bytes.count.isMultiple(of: layerCount * topK * 4)
      else {
        throw start.wrong(
          "\(field) has \(bytes.count) bytes, no multiple of 4 x \(layerCount) layers x \(topK),")
      }
      try set(
        bytes, type: .i32, start: 0,
        shape: [bytes.count / (layerCount * topK * 4), layerCount, topK], field: field, name: name)
    }
  }

  private mutating func readLists(_ reader: inout JSONReader, field: String) throws {
    try reader.array { reader in
      tokens += 1
      var layers = 0
      try reader.array { reader in
        layers += 1
        let start = ids.count
        try reader.array {
          ids.append(Int32(try $0.integer("expert id of \(field)", accepted: 0...65_535)))
        }
        guard topK == 0 || topK == ids.count - start, ids.count > start else {
          throw reader.wrong(
            "\(field) has \(ids.count - start) ids in a row, the rows before it \(topK),")
        }
        topK = ids.count - start
      }
      guard self.layers == 0 || self.layers == layers, layers > 0 else {
        throw reader.wrong(
          "\(field) has \(layers) layers in token \(tokens - 1), before it \(self.layers),")
      }
      self.layers = layers
    }
  }

  private mutating func readObject(
    _ reader: inout JSONReader, field: String, name: String
  ) throws {
    let start = reader
    var bytes: [UInt8]?
    var shape: [Int]?
    var type: SafetensorsFile.ElementType?
    try reader.object { reader, key in
      switch key {
      case "data": bytes = try Self.decoded(&reader, field: field)
      case "shape":
        var sizes: [Int] = []
        try reader.array { sizes.append(try $0.integer(key, accepted: 0...Int(Int32.max))) }
        shape = sizes
      case "dtype":
        let text = String(decoding: try reader.string(key), as: UTF8.self)
        let types: [String: SafetensorsFile.ElementType] = [
          "uint8": .u8, "uint16": .u16, "int16": .i16, "int32": .i32, "int64": .i64,
        ]
        guard let known = types[text] else {
          throw reader.wrong(
            "dtype \"\(text.excerpt)\" of \(field), accepted are "
              + types.keys.sorted().joined(separator: ", ") + ",")
        }
        type = known
      default: try reader.skip()
      }
    }
    guard let bytes, let shape, let type else {
      throw start.wrong("\(field) is an object without one of data, shape and dtype")
    }
    var needed = type.byteCount
    for size in shape {
      let (product, overflow) = needed.multipliedReportingOverflow(by: size)
      needed = overflow ? -1 : product
      if overflow { break }
    }
    guard shape.count == 3, needed == bytes.count else {
      throw start.wrong(
        "\(field) of shape \(shape) and \(bytes.count) bytes, accepted is [tokens, layers, k] with "
          + "as many bytes as that needs,")
    }
    try set(bytes, type: type, start: 0, shape: shape, field: field, name: name)
  }

  private mutating func readNPY(_ bytes: [UInt8], field: String, name: String) throws {
    let name = "\(name), \(field)"
    let header = try bytes.withUnsafeBytes { try NPYHeader(bytes: $0, name: name) }
    guard header.shape.count == 3, TokenTensor.idTypes.contains(header.elementType) else {
      throw InputError(
        "\(name): an array of shape \(header.shape) and type \(header.elementType.rawValue), "
          + "accepted are whole numbers [tokens, layers, k]")
    }
    try set(
      bytes, type: header.elementType, start: header.dataStart, shape: header.shape, field: field,
      name: name)
  }

  private mutating func set(
    _ bytes: [UInt8], type: SafetensorsFile.ElementType, start: Int, shape: [Int], field: String,
    name: String
  ) throws {
    guard shape[0] > 0, shape[1] > 0, shape[2] > 0 else { return }
    (tokens, layers, topK) = (shape[0], shape[1], shape[2])
    ids = try TokenTensor(
      bytes: FileBytes(bytes), start: start, field: "decoded \(field)", elementType: type,
      layerCount: layers, topK: topK
    ).ids(0..<tokens, name: name)
  }

  private static func decoded(_ reader: inout JSONReader, field: String) throws -> [UInt8] {
    let start = reader
    let text = try reader.string(field)
    guard let bytes = Base64.decoded(text) else {
      throw start.wrong("\(field) is no base64")
    }
    return bytes
  }
}
