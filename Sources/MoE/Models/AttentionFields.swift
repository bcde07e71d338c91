// SPDX-License-Identifier: Apache-2.0
// epsim: the attention of a model preset.

/// One block, or a list of blocks that each say how many layers they are for.
struct AttentionList: Decodable {
  private let fields: [AttentionFields]

  init(from decoder: any Decoder) throws {
    if (try? decoder.unkeyedContainer()) != nil {
      fields = try [AttentionFields](from: decoder)
    } else {
      fields = [try AttentionFields(from: decoder)]
    }
  }

  /// - Parameter layers: how many layers a single block is for that does not say it.
  func blocks(place: String, _ layers: Int) throws -> [AttentionBlock] {
    try fields.compactMap { try $0.block(place: place, layers) }
  }
}

/// The keys of one block.
private struct AttentionFields: Decodable {
  var kind: String
  var layers: Int?
  var window: Int?
  var heads: Int?
  var keyValueHeads: Int?
  var headSize: Int?
  var valueSize: Int?
  var biases: Word<AttentionBlock.GroupedDetails.Biases>?
  var norm: Word<AttentionBlock.GroupedDetails.Norm>?
  var outputGate: Bool?
  var sharedKeysAndValues: Bool?
  var queryRank: Int?
  var keyValueRank: Int?
  var ropeSize: Int?
  var nopeSize: Int?
  var indexHeads: Int?
  var indexSize: Int?
  var keyHeads: Int?
  var valueHeads: Int?
  var keySize: Int?
  var convolution: Int?
  var innerSize: Int?
  var stateSize: Int?
  var stepRank: Int?
  var groups: Int?
  var outputGroups: Int?
  var outputRank: Int?
  var ratio: Int?

  enum CodingKeys: String, CodingKey {
    case kind, layers, window, heads, biases, norm, convolution, groups, ratio
    case keyValueHeads = "key_value_heads"
    case headSize = "head_size"
    case valueSize = "value_size"
    case outputGate = "output_gate"
    case sharedKeysAndValues = "shared_keys_and_values"
    case queryRank = "query_rank"
    case keyValueRank = "key_value_rank"
    case ropeSize = "rope_size"
    case nopeSize = "nope_size"
    case indexHeads = "index_heads"
    case indexSize = "index_size"
    case keyHeads = "key_heads"
    case valueHeads = "value_heads"
    case keySize = "key_size"
    case innerSize = "inner_size"
    case stateSize = "state_size"
    case stepRank = "step_rank"
    case outputGroups = "output_groups"
    case outputRank = "output_rank"
  }

  /// The block; nil for the kind `none`.
  func block(place: String, _ modelLayers: Int) throws -> AttentionBlock? {
    guard let kind = try blockKind(place: place) else { return nil }
    return AttentionBlock(layers: layers ?? modelLayers, kind: kind, window: window)
  }

  private func blockKind(place: String) throws -> AttentionBlock.Kind? {
    func need(_ key: CodingKeys, _ value: Int?) throws -> Int {
      guard let value, (1...65_536).contains(value) else {
        let given = value.map { "is \($0)" } ?? "is missing"
        throw InputError("\(place): attention.\(key.rawValue) \(given), accepted is 1 to 65536")
      }
      return value
    }
    switch kind {
    case "none": return nil
    case "grouped":
      return .grouped(
        heads: try need(.heads, heads), keyValueHeads: try need(.keyValueHeads, keyValueHeads),
        headSize: try need(.headSize, headSize),
        details: AttentionBlock.GroupedDetails(
          valueSize: try valueSize.map { try need(.valueSize, $0) }, biases: biases?.value ?? .none,
          norm: norm?.value ?? .none, hasOutputGate: outputGate ?? false,
          sharesKeysAndValues: sharedKeysAndValues ?? false))
    case "cross":
      return .cross(
        heads: try need(.heads, heads), keyValueHeads: try need(.keyValueHeads, keyValueHeads),
        headSize: try need(.headSize, headSize))
    case "latent":
      let details = AttentionBlock.LatentDetails(
        indexHeads: try indexHeads.map { try need(.indexHeads, $0) } ?? 0,
        indexSize: try indexHeads.map { _ in try need(.indexSize, indexSize) } ?? 0,
        hasOutputGate: outputGate ?? false)
      return .latent(
        heads: try need(.heads, heads),
        queryRank: try queryRank.map { try need(.queryRank, $0) },
        keyValueRank: try need(.keyValueRank, keyValueRank),
        ropeSize: try need(.ropeSize, ropeSize), nopeSize: try need(.nopeSize, nopeSize),
        valueSize: try need(.valueSize, valueSize), details: details)
    case "compressed":
      guard let ratio, (0...65_536).contains(ratio) else {
        throw InputError("\(place): attention.ratio is missing or not within 0 to 65536")
      }
      return .compressed(
        heads: try need(.heads, heads), headSize: try need(.headSize, headSize),
        queryRank: try need(.queryRank, queryRank),
        outputGroups: try need(.outputGroups, outputGroups),
        outputRank: try need(.outputRank, outputRank), ratio: ratio,
        indexHeads: try indexHeads.map { try need(.indexHeads, $0) } ?? 0,
        indexSize: try indexHeads.map { _ in try need(.indexSize, indexSize) } ?? 0)
    case "kimi-delta":
      return .kimiDelta(
        heads: try need(.heads, heads), headSize: try need(.headSize, headSize),
        convolution: try need(.convolution, convolution))
    case "gated-delta":
      return .gatedDelta(
        keyHeads: try need(.keyHeads, keyHeads), valueHeads: try need(.valueHeads, valueHeads),
        keySize: try need(.keySize, keySize), valueSize: try need(.valueSize, valueSize),
        convolution: try need(.convolution, convolution))
    case "mamba":
      return .mamba(
        innerSize: try need(.innerSize, innerSize), stateSize: try need(.stateSize, stateSize),
        stepRank: try need(.stepRank, stepRank), convolution: try need(.convolution, convolution))
    case "mamba2":
      return .mamba2(
        heads: try need(.heads, heads), headSize: try need(.headSize, headSize),
        groups: try need(.groups, groups), stateSize: try need(.stateSize, stateSize),
        convolution: try need(.convolution, convolution))
    default:
      throw InputError(
        "\(place): attention.kind is \(InputError.excerpt(kind)), accepted is grouped, latent, "
          + "compressed, cross, gated-delta, kimi-delta, mamba, mamba2, none")
    }
  }
}
