// SPDX-License-Identifier: Apache-2.0
// epsim: the computed figures of a model.

public import MoE
public import Placement

/// What `epsim model --json` prints of a model.
public struct ModelRecord: Encodable {
  public struct Line: Encodable {
    public let name: String
    public let total: Int
    public let active: Int
  }
  /// Counts that the model's makers state, and how far the computed ones are from them.
  public struct Published: Encodable {
    public let total: Double?
    public let active: Double?
    public let source: String
    /// Computed / published - 1.
    public let totalDeviation: Double?
    public let activeDeviation: Double?
  }
  /// What the cache keeps of a context, in values.
  public struct Cache: Encodable {
    public struct Window: Encodable {
      public let size: Int
      public let valuesPerToken: Int
    }
    public let valuesPerToken: Int
    public let windows: [Window]
    public let stateValues: Int
  }
  /// Bytes of the largest rank.
  public struct BytesPerRank: Encodable {
    public let bits: Int
    public let routed: Int
    public let other: Int
    public let total: Int
  }
  /// A dense model of the same layers, hidden size and attention.
  public struct DenseEqual: Encodable {
    public let match: String
    public let ffnSize: Int
    public let total: Int
    public let active: Int
    public let forwardFlopsPerToken: Int
  }
  public struct Field: Encodable {
    public let meaning: String
    public let field: String
    public let value: String
  }
  public let name: String
  public let family: String
  public let source: String
  /// Keys of the preset whose values were not read in a published configuration.
  public let unverified: [String]
  public let hiddenSize: Int
  public let expertFfnSize: Int
  /// Width of the rows that experts work on.
  public let expertInputSize: Int
  public let experts: Int
  public let topK: Int
  public let sharedExperts: Int
  public let sharedFfnSize: Int
  public let activation: String
  public let layers: Int
  public let moeLayers: [Int]
  public let denseLayers: Int
  public let denseFfnSize: Int
  public let lines: [Line]
  /// What the line "other" covers.
  public let otherParameters: String?
  public let total: Int
  /// Output head counted, embedding look-up not.
  public let active: Int
  /// The same with the embedding table.
  public let activeWithEmbedding: Int
  /// active / total.
  public let activationRatio: Double
  public let published: Published?
  /// Two per active parameter; attention scores not included.
  public let forwardFlopsPerToken: Int
  public let expertParameters: Int
  public let cache: Cache
  public let ranks: Int
  /// What was asked for; nil where the experts are spread evenly.
  public let placement: String?
  /// Slots of a layer on the fullest rank; E / R rounded up without a placement.
  public let expertsPerRank: Int
  /// At 16, 8 and 4 bits a weight.
  public let bytesPerRank: [BytesPerRank]
  public let denseEquals: [DenseEqual]
  /// Which field of a config.json was used for what; empty for a preset.
  public let usedFields: [Field]
  public let ignoredFields: [String]

  /// - Parameter placement: where the experts of every layer are, on as many ranks.
  public init(_ document: ModelDocument, ranks: Int, placement: ExpertPlacement? = nil) {
    let model = document.model
    let count = ParameterCount(model)
    name = model.name
    family = document.preset?.family ?? ""
    source = model.source
    unverified = document.preset?.unverified ?? []
    hiddenSize = model.hiddenSize
    expertFfnSize = model.expertFFNSize
    expertInputSize = model.expertInputSize
    experts = model.expertCount
    topK = model.topK
    sharedExperts = model.sharedExpertCount
    sharedFfnSize = model.sharedFFNSize
    activation = model.activation.rawValue
    layers = model.layerCount
    moeLayers = model.moeLayers
    denseLayers = model.denseLayerCount
    denseFfnSize = model.denseFFNSize
    lines = count.lines.map { Line(name: $0.name, total: $0.total, active: $0.active) }
    otherParameters = document.preset?.otherParameters
    total = count.total
    active = count.active
    activeWithEmbedding = count.activeWithEmbedding
    activationRatio = Double(count.active) / Double(max(1, count.total))
    published = document.preset?.published.map { published in
      func deviation(_ own: Int, _ stated: Double?) -> Double? {
        stated.map { Double(own) / $0 - 1 }
      }
      return Published(
        total: published.total, active: published.active, source: published.source,
        totalDeviation: deviation(count.total, published.total),
        activeDeviation: deviation(count.active, published.active))
    }
    forwardFlopsPerToken = count.forwardFLOPsPerToken
    expertParameters = model.expertParameterCount
    let context = ContextCache(model)
    cache = Cache(
      valuesPerToken: context.valuesPerToken,
      windows: context.windows.map {
        Cache.Window(size: $0.size, valuesPerToken: $0.valuesPerToken)
      }, stateValues: context.stateValues)
    let slots = placement.map { placement in
      zip(placement.slotOffsets, placement.slotOffsets.dropFirst()).map { $1 - $0 }.max()!
    }
    let footprint = ModelFootprint(model, ranks: ranks, slots: slots)
    self.placement = placement?.name
    self.ranks = ranks
    expertsPerRank = footprint.expertsPerRank
    bytesPerRank = [16, 8, 4].map { bits in
      BytesPerRank(
        bits: bits, routed: footprint.routedWeights * bits / 8,
        other: footprint.otherWeights * bits / 8, total: footprint.bytes(bits: bits))
    }
    denseEquals =
      model.moeLayers.isEmpty
      ? []
      : DenseEquivalent.Match.allCases.compactMap { match in
        DenseEquivalent(of: model, match: match).map { dense in
          DenseEqual(
            match: match.rawValue, ffnSize: dense.model.denseFFNSize, total: dense.count.total,
            active: dense.count.active, forwardFlopsPerToken: dense.count.forwardFLOPsPerToken)
        }
      }
    usedFields =
      document.config?.usedFields.map {
        Field(meaning: $0.meaning, field: $0.field, value: $0.value)
      } ?? []
    ignoredFields = document.config?.ignoredFields ?? []
  }
}
