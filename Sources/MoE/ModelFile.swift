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
    var key_value_heads: Int?
    var head_size: Int?
    var query_rank: Int?
    var key_value_rank: Int?
    var rope_size: Int?
    var nope_size: Int?
    var value_size: Int?
  }
  struct RouterFields: Decodable {
    var score: String
    var renormalise: Bool
    var scaling: Double
    var group_limit: Int?
    var selection_bias: Bool?
  }
  enum CodingKeys: String, CodingKey, CaseIterable {
    case name, source, hidden_size, expert_ffn_size, experts, top_k, shared_experts, layers
    case dense_layers, dense_ffn_size, vocabulary_size, attention, expert_groups, router
  }

  var name: String
  var source: String
  var hidden_size: Int
  var expert_ffn_size: Int
  var experts: Int
  var top_k: Int
  var shared_experts: Int
  var layers: Int
  var dense_layers: Int
  var dense_ffn_size: Int
  var vocabulary_size: Int
  var attention: AttentionFields
  var expert_groups: Int
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
      hiddenSize: try check(.hidden_size, hidden_size, wide),
      expertFFNSize: try check(.expert_ffn_size, expert_ffn_size, wide),
      expertCount: experts,
      topK: try check(.top_k, top_k, 1...min(experts, 1024)),
      sharedExpertCount: try check(.shared_experts, shared_experts, 0...1024),
      layerCount: layers,
      denseLayerCount: try check(.dense_layers, dense_layers, 0...layers - 1),
      denseFFNSize: try check(.dense_ffn_size, dense_ffn_size, 0...1_048_576),
      vocabularySize: try check(.vocabulary_size, vocabulary_size, 0...16_777_216),
      attention: try attentionShape(place: place),
      expertGroupCount: try check(.expert_groups, expert_groups, 1...experts),
      router: RouterRule(
        score: score, renormalises: router.renormalise, scaling: router.scaling,
        groupLimit: router.group_limit, hasSelectionBias: router.selection_bias ?? false))
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
        keyValueHeads: try need("key_value_heads", attention.key_value_heads),
        headSize: try need("head_size", attention.head_size))
    case "latent":
      return .latent(
        heads: try need("heads", attention.heads),
        queryRank: try attention.query_rank.map { try need("query_rank", $0) },
        keyValueRank: try need("key_value_rank", attention.key_value_rank),
        ropeSize: try need("rope_size", attention.rope_size),
        nopeSize: try need("nope_size", attention.nope_size),
        valueSize: try need("value_size", attention.value_size))
    default:
      throw InputError(
        "\(place): attention.kind is \(attention.kind), accepted is grouped, latent, none")
    }
  }
}
