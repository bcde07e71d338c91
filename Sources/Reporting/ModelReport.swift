// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim model NAME` prints.

public import MoE

/// The computed figures of a model.
public struct ModelRecord: Encodable {
  public struct Line: Encodable {
    public let name: String
    public let total: Int
    public let active: Int
  }
  public let name: String
  public let source: String
  public let hiddenSize: Int
  public let expertFfnSize: Int
  public let experts: Int
  public let topK: Int
  public let sharedExperts: Int
  public let moeLayers: [Int]
  public let lines: [Line]
  public let total: Int
  /// Output head counted, embedding look-up not.
  public let active: Int
  /// The same with the embedding table.
  public let activeWithEmbedding: Int
  /// Two per active parameter; attention scores not included.
  public let forwardFlopsPerToken: Int
  public let expertParameters: Int
  public let ranks: Int
  /// Most routed experts of a layer on one rank: E / R rounded up.
  public let expertsPerRank: Int
  /// Bytes of those experts in all layers at 2, 1 and 4 bytes a weight.
  public let routedBytesPerRankBf16: Int
  public let routedBytesPerRankFp8: Int
  public let routedBytesPerRankF32: Int
  /// Bytes of everything that every rank holds (all but the routed experts) at 2 bytes a weight.
  public let otherBytesPerRankBf16: Int

  public init(_ model: ModelShape, ranks: Int) {
    let count = ParameterCount(model)
    name = model.name
    source = model.source
    hiddenSize = model.hiddenSize
    expertFfnSize = model.expertFFNSize
    experts = model.expertCount
    topK = model.topK
    sharedExperts = model.sharedExpertCount
    moeLayers = Array(model.moeLayers)
    lines = count.lines.map { Line(name: $0.name, total: $0.total, active: $0.active) }
    total = count.total
    active = count.active
    activeWithEmbedding = count.activeWithEmbedding
    forwardFlopsPerToken = count.forwardFLOPsPerToken
    expertParameters = model.expertParameterCount
    self.ranks = ranks
    expertsPerRank = (model.expertCount + ranks - 1) / ranks
    let routed = expertsPerRank * model.moeLayers.count * model.expertParameterCount
    routedBytesPerRankBf16 = 2 * routed
    routedBytesPerRankFp8 = routed
    routedBytesPerRankF32 = 4 * routed
    let allRouted = model.expertCount * model.moeLayers.count * model.expertParameterCount
    otherBytesPerRankBf16 = 2 * (count.total - allRouted)
  }
}

/// A model record as text.
public struct ModelReport {
  private let record: ModelRecord

  public init(_ record: ModelRecord) { self.record = record }

  public var text: String {
    var table = TextTable([
      ("parameters", .left), ("total", .right), ("", .right), ("active per token", .right),
      ("", .right),
    ])
    for line in record.lines {
      table.add([
        line.name, Quantity.grouped(line.total), Quantity.count(line.total),
        Quantity.grouped(line.active), Quantity.count(line.active),
      ])
    }
    table.add([
      "all", Quantity.grouped(record.total), Quantity.count(record.total),
      Quantity.grouped(record.active), Quantity.count(record.active),
    ])
    let layers = record.moeLayers
    return """
      \(record.name) (\(record.source))
      hidden \(record.hiddenSize), expert FFN \(record.expertFfnSize), \(record.experts) experts, \
      top-\(record.topK), \(record.sharedExperts) shared, layers with experts \(layers.first!)-\
      \(layers.last!)

      \(table.text)

      active: output head counted, embedding look-up not (with the embedding table: \
      \(Quantity.count(record.activeWithEmbedding)))
      forward pass: \(Quantity.count(record.forwardFlopsPerToken)) FLOPs per token, two per active \
      parameter, attention scores not included
      one expert: \(Quantity.grouped(record.expertParameters)) weights, \
      \(Quantity.bytes(Double(2 * record.expertParameters))) in bf16
      on \(record.ranks) ranks: at most \(record.expertsPerRank) of the experts of a layer on each, \
      \(Quantity.bytes(Double(record.routedBytesPerRankBf16))) in bf16, \
      \(Quantity.bytes(Double(record.routedBytesPerRankFp8))) in fp8, \
      \(Quantity.bytes(Double(record.routedBytesPerRankF32))) in f32
      everything else: \(Quantity.bytes(Double(record.otherBytesPerRankBf16))) in bf16 on every rank
      """
  }
}
