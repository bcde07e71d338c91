// SPDX-License-Identifier: Apache-2.0
// epsim: reads a model preset (models/*.yaml).

internal import Foundation
internal import Yams

/// A model preset as it stands in `models/NAME.yaml`.
///
/// Every key is known, every number is range-checked; a key that is not known is an error.
public struct ModelFile: Sendable {
  /// The model that the file describes.
  public let model: ModelShape

  /// Reads the text of a preset.
  /// - Parameter place: what an error message calls the file.
  /// - Throws: ``InputError`` that names the key, the value and what is accepted.
  public init(yaml text: String, place: String) throws {
    let fields: Fields
    do {
      let node = try Yams.compose(yaml: text)
      guard case .mapping(let mapping)? = node else {
        throw InputError("\(place) is not a YAML mapping of model fields")
      }
      for key in mapping.keys {
        let name = key.string ?? "?"
        guard Fields.CodingKeys(rawValue: name) != nil else {
          let known = Fields.CodingKeys.allCases.map(\.rawValue).joined(separator: ", ")
          throw InputError("\(place) has the unknown key \(name); known are \(known)")
        }
      }
      fields = try YAMLDecoder().decode(Fields.self, from: text)
    } catch let error as InputError {
      throw error
    } catch {
      throw InputError("\(place) is not a model preset: \(Self.sentence(error))")
    }
    model = try fields.shape(place: place)
  }

  /// One line out of a decoder's many.
  private static func sentence(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "the key \(key.stringValue) is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.dataCorrupted(let context),
      DecodingError.valueNotFound(_, let context):
      "\(context.codingPath.map(\.stringValue).joined(separator: ".")) has the wrong type"
    default: "\(error)".split(separator: "\n").joined(separator: " ")
    }
  }
}

private struct Fields: Decodable {
  struct AttentionFields: Decodable {
    var kind: String
    var heads: Int?
    var keyValueHeads: Int?
    var headSize: Int?
    var queryRank: Int?
    var keyValueRank: Int?
    var ropeSize: Int?
    var nopeSize: Int?
    var valueSize: Int?

    enum CodingKeys: String, CodingKey {
      case kind, heads
      case keyValueHeads = "key_value_heads"
      case headSize = "head_size"
      case queryRank = "query_rank"
      case keyValueRank = "key_value_rank"
      case ropeSize = "rope_size"
      case nopeSize = "nope_size"
      case valueSize = "value_size"
    }
  }
  struct RouterFields: Decodable {
    var score: String
    var renormalise: Bool
    var scaling: Double
    var groupLimit: Int?
    var selectionBias: Bool?

    enum CodingKeys: String, CodingKey {
      case score, renormalise, scaling
      case groupLimit = "group_limit"
      case selectionBias = "selection_bias"
    }
  }
  enum CodingKeys: String, CodingKey, CaseIterable {
    case name, source, experts, layers, attention, router
    case hiddenSize = "hidden_size"
    case expertFfnSize = "expert_ffn_size"
    case topK = "top_k"
    case sharedExperts = "shared_experts"
    case denseLayers = "dense_layers"
    case denseFfnSize = "dense_ffn_size"
    case vocabularySize = "vocabulary_size"
    case expertGroups = "expert_groups"
  }

  var name: String
  var source: String
  var hiddenSize: Int
  var expertFfnSize: Int
  var experts: Int
  var topK: Int
  var sharedExperts: Int
  var layers: Int
  var denseLayers: Int
  var denseFfnSize: Int
  var vocabularySize: Int
  var attention: AttentionFields
  var expertGroups: Int
  var router: RouterFields

  func shape(place: String) throws -> ModelShape {
    func check(_ key: CodingKeys, _ value: Int, _ accepted: ClosedRange<Int>) throws -> Int {
      guard accepted.contains(value) else {
        throw InputError(
          "\(place): \(key.rawValue) is \(value), accepted is \(accepted.lowerBound) to "
            + "\(accepted.upperBound)")
      }
      return value
    }
    // Bounds that no model reaches. No product of sizes overflows, in powers of two: an expert has
    // 3 * 2^(16 + 16) weights, the routed experts of all layers 3 * 2^(32 + 14 + 10), the
    // shared ones 3 * 2^(32 + 10 + 10). Latent attention is the largest: 2^49 weights each for
    // queries and for keys and values (2^16 * 2^16 * 2^17), half of that for the output, less than
    // 1.3 * 2^60 in 2^10 layers. Dense FFNs (3 * 2^46), routers (2^40) and embeddings (2^41) do not
    // count. Together below 1.5 * 2^60, so that even 4 bytes of each stay below 2^63.
    let wide = 1...65_536
    let experts = try check(.experts, experts, 1...16_384)
    let layers = try check(.layers, layers, 1...1024)
    guard let score = RouterRule.Score(rawValue: router.score) else {
      let known = RouterRule.Score.allCases.map(\.rawValue).joined(separator: ", ")
      throw InputError("\(place): router.score is \(router.score), accepted is \(known)")
    }
    guard router.scaling.isFinite, router.scaling > 0 else {
      throw InputError("\(place): router.scaling is \(router.scaling), accepted is above 0")
    }
    return ModelShape(
      name: name, source: source,
      hiddenSize: try check(.hiddenSize, hiddenSize, wide),
      expertFFNSize: try check(.expertFfnSize, expertFfnSize, wide),
      expertCount: experts,
      topK: try check(.topK, topK, 1...min(experts, 1024)),
      sharedExpertCount: try check(.sharedExperts, sharedExperts, 0...1024),
      layerCount: layers,
      denseLayerCount: try check(.denseLayers, denseLayers, 0...layers - 1),
      denseFFNSize: try check(.denseFfnSize, denseFfnSize, 0...1_048_576),
      vocabularySize: try check(.vocabularySize, vocabularySize, 0...16_777_216),
      attention: try attentionShape(place: place),
      expertGroupCount: try check(.expertGroups, expertGroups, 1...experts),
      router: RouterRule(
        score: score, renormalises: router.renormalise, scaling: router.scaling,
        groups: try groupLimit(place: place),
        hasSelectionBias: router.selectionBias ?? false))
  }

  /// As in DeepSeek-V3: a group counts as the sum of its two best scores.
  private func groupLimit(place: String) throws -> RouterRule.GroupLimit? {
    try router.groupLimit.map { open in
      guard (1...expertGroups).contains(open) else {
        throw InputError(
          "\(place): router.group_limit is \(open), accepted is 1 to \(expertGroups)")
      }
      return RouterRule.GroupLimit(groupCount: expertGroups, openCount: open, summedScores: 2)
    }
  }

  private func attentionShape(place: String) throws -> ModelShape.Attention {
    func need(_ name: String, _ value: Int?) throws -> Int {
      guard let value, (1...65_536).contains(value) else {
        let given = value.map { "is \($0)" } ?? "is missing"
        throw InputError("\(place): attention.\(name) \(given), accepted is 1 to 65536")
      }
      return value
    }
    switch attention.kind {
    case "none": return .none
    case "grouped":
      return .grouped(
        heads: try need("heads", attention.heads),
        keyValueHeads: try need("key_value_heads", attention.keyValueHeads),
        headSize: try need("head_size", attention.headSize))
    case "latent":
      return .latent(
        heads: try need("heads", attention.heads),
        queryRank: try attention.queryRank.map { try need("query_rank", $0) },
        keyValueRank: try need("key_value_rank", attention.keyValueRank),
        ropeSize: try need("rope_size", attention.ropeSize),
        nopeSize: try need("nope_size", attention.nopeSize),
        valueSize: try need("value_size", attention.valueSize))
    default:
      throw InputError(
        "\(place): attention.kind is \(attention.kind), accepted is grouped, latent, none")
    }
  }
}
