// SPDX-License-Identifier: Apache-2.0
// epsim: the records of a Megatron-LM router trace, gathered from its lines.

internal import MoE

/// All records of one or several files, by rank and step.
struct MegatronRecords {
  /// What a rank routed in a step: [n, K] ids for each layer.
  private struct Step: Comparable, Hashable {
    let rank: Int
    let step: Int

    static func < (first: Step, second: Step) -> Bool {
      (first.rank, first.step) < (second.rank, second.step)
    }
  }

  private struct Record {
    var step: Int?
    var layer: Int?
    var rank = 0
    var tokens: Int?
    var topK: Int?
    var block = "decoder"
    var rows = 0
    var ids: [Int32]?
  }

  private static let accepted = 0...Int(Int32.max)
  private var idsOfStep: [Step: [Int: [Int32]]] = [:]

  /// K, nil before the first record.
  private(set) var topK: Int?
  /// E, where a record with logits says it.
  private(set) var expertCount: Int?
  /// Records of other blocks than the decoder.
  private(set) var skipped = 0

  /// The layers that were recorded, ascending; nil where there are none.
  var layers: [Int]? {
    let layers = Set(idsOfStep.values.flatMap(\.keys))
    return layers.isEmpty ? nil : layers.sorted()
  }

  /// Reads the lines of a file.
  ///
  /// - Throws: ``InputError`` that names field, byte and line.
  mutating func read(_ bytes: UnsafeRawBufferPointer, name: String) throws {
    var reader = JSONReader(bytes: bytes, name: name)
    while reader.peek() != nil {
      let start = reader
      let record = try self.record(&reader)
      guard let step = record.step, let layer = record.layer, let ids = record.ids,
        let tokens = record.tokens, let topK = record.topK
      else {
        throw start.wrong(
          "one of step, layer, num_tokens, topk and top_indices is missing in the record")
      }
      guard record.block == "decoder" else {
        skipped += 1
        continue
      }
      guard record.rows == tokens,
        tokens.multipliedReportingOverflow(by: topK) == (ids.count, false)
      else {
        throw start.wrong(
          "num_tokens \(tokens) and topk \(topK) do not fit top_indices of \(record.rows) rows and "
            + "\(ids.count) ids in the record")
      }
      guard topK == self.topK ?? topK else {
        throw start.wrong("topk \(topK), earlier records have \(self.topK!),")
      }
      if tokens == 0 { continue }
      self.topK = topK
      guard
        idsOfStep[Step(rank: record.rank, step: step), default: [:]].updateValue(ids, forKey: layer)
          == nil
      else { throw start.wrong("layer \(layer) of step \(step) and rank \(record.rank) again") }
    }
  }

  private mutating func record(_ reader: inout JSONReader) throws -> Record {
    var record = Record()
    var experts = expertCount
    try reader.object { reader, key in
      switch key {
      case "step": record.step = try reader.integer(key, accepted: Self.accepted)
      case "layer": record.layer = try reader.integer(key, accepted: 0...65_536)
      case "rank": record.rank = try reader.integer(key, accepted: Self.accepted)
      case "num_tokens": record.tokens = try reader.integer(key, accepted: Self.accepted)
      case "topk": record.topK = try reader.integer(key, accepted: 1...65_536)
      case "block": record.block = String(decoding: try reader.string(key), as: UTF8.self)
      case "logit_shape":
        var sizes: [Int] = []
        try reader.array { sizes.append(try $0.integer(key, accepted: Self.accepted)) }
        guard sizes.count == 2, sizes[1] == experts ?? sizes[1] else {
          throw reader.wrong("logit_shape \(sizes) is not [num_tokens, experts] as before")
        }
        experts = sizes[1]
      case "top_indices":
        var ids: [Int32] = []
        try reader.array { reader in
          record.rows += 1
          try reader.array { ids.append(Int32(try $0.integer(key, accepted: 0...65_535))) }
        }
        record.ids = ids
      default: try reader.skip()
      }
    }
    expertCount = experts
    return record
  }

  /// The sequences, one per rank and step in order, and their ids [T, L, K].
  func assembled(layers: [Int], topK: Int, name: String) throws -> (lengths: [Int], ids: [Int32]) {
    var lengths: [Int] = []
    var ids: [Int32] = []
    for (step, idsOfLayer) in idsOfStep.sorted(by: { $0.key < $1.key }) {
      let parts = try layers.map { layer in
        guard let part = idsOfLayer[layer] else {
          throw InputError("\(name): step \(step.step) of rank \(step.rank) has no layer \(layer)")
        }
        return part
      }
      for (layer, part) in zip(layers, parts) where part.count != parts[0].count {
        throw InputError(
          "\(name): step \(step.step) of rank \(step.rank) has \(part.count / topK) tokens in layer "
            + "\(layer) and \(parts[0].count / topK) in layer \(layers[0])")
      }
      lengths.append(parts[0].count / topK)
      for start in stride(from: 0, to: parts[0].count, by: topK) {
        for part in parts { ids += part[start..<start + topK] }
      }
    }
    return (lengths, ids)
  }
}
