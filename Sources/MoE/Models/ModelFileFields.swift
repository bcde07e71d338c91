// SPDX-License-Identifier: Apache-2.0
// epsim: the keys of a model preset.

/// What stands in a preset, before it is checked.
struct ModelFileFields: Decodable {
  /// Layers by list, or every n-th from one on.
  enum Layers: Decodable {
    case list([Int])
    case stepped(first: Int, every: Int)

    private struct Stepped: Decodable {
      var first: Int
      var every: Int
    }

    init(from decoder: any Decoder) throws {
      if (try? decoder.unkeyedContainer()) != nil {
        self = .list(try [Int](from: decoder))
      } else {
        let stepped = try Stepped(from: decoder)
        self = .stepped(first: stepped.first, every: stepped.every)
      }
    }
  }
  struct RouterFields: Decodable {
    var score: Word<RouterRule.Score>?
    var scope: Word<RouterRule.Scope>?
    var renormalise: Bool?
    var scaling: Double?
    var groupLimit: Int?
    var groupScores: Int?
    var groupMask: Word<RouterRule.GroupLimit.Mask>?
    var selectionBias: Bool?
    var hashLayers: Int?

    enum CodingKeys: String, CodingKey {
      case score, scope, renormalise, scaling
      case groupLimit = "group_limit"
      case groupScores = "group_scores"
      case groupMask = "group_mask"
      case selectionBias = "selection_bias"
      case hashLayers = "hash_layers"
    }
  }
  struct OtherParameters: Decodable {
    var count: Int
    var what: String
  }
  enum CodingKeys: String, CodingKey, CaseIterable {
    case name, source, family, unverified, published, experts, layers, attention, router
    case activation
    case hiddenSize = "hidden_size"
    case expertFfnSize = "expert_ffn_size"
    case topK = "top_k"
    case sharedExperts = "shared_experts"
    case sharedFfnSize = "shared_ffn_size"
    case moeLayers = "moe_layers"
    case denseLayers = "dense_layers"
    case denseFfnSize = "dense_ffn_size"
    case vocabularySize = "vocabulary_size"
    case tiedEmbeddings = "tied_embeddings"
    case expertGroups = "expert_groups"
    case expertInputSize = "expert_input_size"
    case otherParameters = "other_parameters"
  }

  var name: String
  var source: String
  var family: String?
  var unverified: [String]?
  var published: ModelFile.Published?
  var hiddenSize: Int
  var expertFfnSize: Int?
  var experts: Int
  var topK: Int?
  var sharedExperts: Int?
  var sharedFfnSize: Int?
  var layers: Int
  var moeLayers: Layers?
  var denseLayers: Int?
  var denseFfnSize: Int?
  var vocabularySize: Int
  var tiedEmbeddings: Bool?
  var attention: AttentionList
  var expertGroups: Int?
  var expertInputSize: Int?
  var activation: Word<ExpertActivation>?
  var otherParameters: OtherParameters?
  var router: RouterFields?

  /// The shape that the keys describe; sizes are checked afterwards.
  func shape(place: String) throws -> ModelShape {
    // Enough to expand lists without harm; ``ModelShape/checked(place:)`` looks closer.
    guard (1...ModelShape.maxLayers).contains(layers) else {
      throw InputError("\(place): layers is \(layers), accepted is 1 to \(ModelShape.maxLayers)")
    }
    let shared = sharedExperts ?? 0
    guard (0...1024).contains(shared) else {
      throw InputError("\(place): shared_experts is \(shared), accepted is 0 to 1024")
    }
    if experts > 0 {
      let needed: [(String, Bool)] = [
        ("expert_ffn_size", expertFfnSize == nil), ("top_k", topK == nil),
        ("router", router == nil),
      ]
      if let missing = needed.first(where: \.1) {
        throw InputError("\(place) is not a model preset: the key \(missing.0) is missing")
      }
    }
    let dense = denseLayers ?? 0
    guard (0...layers).contains(dense) else {
      throw InputError("\(place): dense_layers is \(dense), accepted is 0 to \(layers)")
    }
    let moe = try moeLayerList(place: place)
    let (shareWidth, overflow) = shared.multipliedReportingOverflow(by: expertFfnSize ?? 0)
    guard !overflow else {
      throw InputError(
        "\(place): expert_ffn_size is \(expertFfnSize ?? 0), accepted is 1 to 65536")
    }
    return ModelShape(
      name: name, source: source, hiddenSize: hiddenSize, expertFFNSize: expertFfnSize ?? 0,
      expertCount: experts, topK: topK ?? 0, sharedExpertCount: shared,
      sharedFFNSize: sharedFfnSize ?? shareWidth, layerCount: layers,
      moeLayers: moe, denseLayerCount: denseLayers ?? layers - moe.count,
      denseFFNSize: denseFfnSize ?? 0, vocabularySize: vocabularySize,
      tiesEmbeddings: tiedEmbeddings ?? false,
      attention: try attention.blocks(place: place, layers),
      expertGroupCount: expertGroups ?? 1, router: try routerRule(place: place),
      activation: activation?.value ?? .swiGLU, expertInputSize: expertInputSize,
      otherParameterCount: otherParameters?.count ?? 0)
  }

  private func moeLayerList(place: String) throws -> [Int] {
    switch moeLayers {
    case nil: return experts == 0 ? [] : Array((denseLayers ?? 0)..<layers)
    case .list(let list): return list
    case .stepped(let first, let every):
      guard every >= 1, (0..<layers).contains(first) else {
        throw InputError(
          "\(place): moe_layers is every \(every) from \(first), accepted are a step above 0 and a "
            + "first layer below \(layers)")
      }
      return Array(stride(from: first, to: layers, by: every))
    }
  }

  private func routerRule(place: String) throws -> RouterRule {
    let fields = router ?? RouterFields()
    let groups = expertGroups ?? 1
    return RouterRule(
      score: fields.score?.value ?? .softmax, scope: fields.scope?.value ?? .all,
      renormalises: fields.renormalise ?? false, scaling: fields.scaling ?? 1,
      groups: try fields.groupLimit.map { open in
        guard (1...max(1, groups)).contains(open) else {
          throw InputError("\(place): router.group_limit is \(open), accepted is 1 to \(groups)")
        }
        // As in DeepSeek-V3: a group counts as the sum of its two best scores.
        return RouterRule.GroupLimit(
          groupCount: groups, openCount: open, summedScores: fields.groupScores ?? 2,
          mask: fields.groupMask?.value ?? .zero)
      },
      hasSelectionBias: fields.selectionBias ?? false, hashLayerCount: fields.hashLayers ?? 0)
  }
}

/// A value that is one of some words.
struct Word<Value>: Decodable
where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
  let value: Value

  init(from decoder: any Decoder) throws {
    let text = try String(from: decoder)
    guard let value = Value(rawValue: text) else {
      throw UnknownWord(
        key: decoder.codingPath.map(\.stringValue).joined(separator: "."), word: text,
        accepted: Value.allCases.map(\.rawValue))
    }
    self.value = value
  }
}

/// A word that is none of those accepted.
struct UnknownWord: Error, CustomStringConvertible {
  let key: String
  let word: String
  let accepted: [String]

  var description: String {
    "\(key) is \(InputError.excerpt(word)), accepted is \(accepted.joined(separator: ", "))"
  }
}
