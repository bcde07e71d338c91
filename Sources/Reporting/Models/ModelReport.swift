// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim model NAME` prints.

internal import MoE

/// A model record as text.
public struct ModelReport {
  private let record: ModelRecord

  public init(_ record: ModelRecord) { self.record = record }

  public var text: String {
    let parts = [
      heading, parameters, counts, published, costs, dense, fields, marks,
    ]
    return parts.filter { !$0.isEmpty }.joined(separator: "\n\n")
  }

  private var heading: String {
    let sizes =
      record.experts == 0
      ? "hidden \(record.hiddenSize), dense FFN \(record.denseFfnSize), \(record.layers) layers"
      : "hidden \(record.hiddenSize), expert FFN \(record.expertFfnSize)"
        + (record.expertInputSize == record.hiddenSize
          ? "" : " on rows of \(record.expertInputSize)")
        + ", \(record.experts) experts, top-\(record.topK), \(shared), \(record.activation), "
        + "\(record.layers) layers, with experts \(Self.ranges(record.moeLayers))"
    return Paragraph("\(record.name) (\(record.source))", indent: 2).text + "\n"
      + Paragraph(sizes, indent: 2).text
  }

  private var shared: String {
    switch record.sharedExperts {
    case 0: "0 shared"
    case let count: "\(count) shared of width \(record.sharedFfnSize) together"
    }
  }

  /// `0-3, 5, 7`; steps are said: `1-23 every 2nd`.
  static func ranges(_ layers: [Int]) -> String {
    guard let first = layers.first, let last = layers.last else { return "in no layer" }
    let steps = Set(zip(layers, layers.dropFirst()).map { $1 - $0 })
    if layers.count == 1 { return "\(first)" }
    if steps == [1] { return "\(first)-\(last)" }
    if steps == [2] { return "\(first)-\(last), every other" }
    return "in \(layers.count) from \(first) to \(last)"
  }

  private var parameters: String {
    var table = TextTable([
      ("parameters", .left), ("total", .right), ("", .right), ("active per token", .right),
      ("", .right),
    ])
    func add(_ name: String, _ total: Int, _ active: Int) {
      table.add([
        name, Quantity.grouped(total), Quantity.count(total), Quantity.grouped(active),
        Quantity.count(active),
      ])
    }
    for line in record.lines { add(line.name, line.total, line.active) }
    add("all", record.total, record.active)
    return table.text
  }

  private var counts: String {
    var lines: [String] = []
    if record.active != record.activeWithEmbedding {
      lines.append(
        "active: output head counted, embedding look-up not (with the embedding table: "
          + "\(Quantity.count(record.activeWithEmbedding)))")
    }
    if let other = record.otherParameters { lines.append("other: \(other)") }
    lines.append("activation ratio: \(Quantity.percent(record.activationRatio)) of all parameters")
    return lines.map { Paragraph($0, indent: 2).text }.joined(separator: "\n")
  }

  private var published: String {
    guard let published = record.published else { return "published: no counts known" }
    func figure(_ name: String, _ value: Double?, _ deviation: Double?) -> String? {
      guard let value, let deviation else { return nil }
      let sign = deviation < 0 ? "" : "+"
      return "\(name) \(Quantity.count(Int(value))) (computed \(sign)"
        + Quantity.fixed(100 * deviation, 2) + " %)"
    }
    let figures = [
      figure("total", published.total, published.totalDeviation),
      figure("active", published.active, published.activeDeviation),
    ].compactMap { $0 }
    return Paragraph(
      "published: " + figures.joined(separator: ", ") + "; " + published.source, indent: 2
    ).text
  }

  private var costs: String {
    var lines = [
      "forward pass: \(Quantity.count(record.forwardFlopsPerToken)) FLOPs per token, two per active "
        + "parameter, attention scores not included",
      "cache of a context: \(Self.cache(record.cache))",
    ]
    if record.experts > 0 {
      let experts =
        record.placement.map { "\(record.expertsPerRank) experts, copies counted (\($0))," }
        ?? "\(record.expertsPerRank) of the experts"
      lines.append(
        "one expert: \(Quantity.grouped(record.expertParameters)) weights, "
          + "\(Quantity.bytes(Double(2 * record.expertParameters))) at 16 bit")
      lines.append(
        "on \(record.ranks) ranks: at most \(experts) of a layer on each, "
          + "shared experts and the rest on all")
      var table = TextTable([
        ("bytes of the largest rank", .left), ("routed experts", .right), ("the rest", .right),
        ("together", .right),
      ])
      for bytes in record.bytesPerRank {
        table.add([
          "\(bytes.bits) bit", Quantity.bytes(Double(bytes.routed)),
          Quantity.bytes(Double(bytes.other)), Quantity.bytes(Double(bytes.total)),
        ])
      }
      lines.append("\n" + table.text)
    } else {
      let bytes = record.bytesPerRank.map {
        "\(Quantity.bytes(Double($0.total))) at \($0.bits) bit"
      }
      lines.append("on every rank: " + bytes.joined(separator: ", "))
    }
    return lines.map { $0.hasPrefix("\n") ? $0 : Paragraph($0, indent: 2).text }
      .joined(separator: "\n")
  }

  /// The cache in bytes at 16 bit.
  static func cache(_ cache: ModelRecord.Cache) -> String {
    func bytes(_ values: Int) -> String { Quantity.bytes(2 * Double(values)) }
    var parts: [String] = []
    if cache.valuesPerToken > 0 {
      parts.append("\(bytes(cache.valuesPerToken)) per token at 16 bit")
    }
    for window in cache.windows {
      parts.append(
        "\(bytes(window.valuesPerToken)) per token up to a window of \(window.size), "
          + "\(bytes(window.size * window.valuesPerToken)) at most")
    }
    if cache.stateValues > 0 { parts.append("a state of constant \(bytes(cache.stateValues))") }
    return parts.isEmpty ? "none" : parts.joined(separator: "; ")
  }

  private var dense: String {
    guard !record.denseEquals.isEmpty else { return "" }
    var table = TextTable([
      ("dense models of the same layers", .left), ("FFN width", .right), ("total", .right),
      ("active", .right), ("FLOPs per token", .right),
    ])
    for equal in record.denseEquals {
      table.add([
        "equal \(equal.match) parameters", Quantity.grouped(equal.ffnSize),
        Quantity.count(equal.total), Quantity.count(equal.active),
        Quantity.count(equal.forwardFlopsPerToken),
      ])
    }
    return table.text
  }

  private var fields: String {
    guard !record.usedFields.isEmpty else { return "" }
    var table = TextTable([("used for", .left), ("field", .left), ("value", .left)])
    // The value takes what the others leave of 100 columns.
    let others =
      record.usedFields.map { max($0.meaning.count, 8) }.max()!
      + record.usedFields.map(\.field.count).max()!
    let room = max(12, 96 - others)
    for used in record.usedFields {
      let isLong = used.value.count > room
      table.add([
        used.meaning, used.field, isLong ? used.value.prefix(room - 3) + "..." : used.value,
      ])
    }
    guard !record.ignoredFields.isEmpty else { return table.text }
    return table.text + "\n\n"
      + Paragraph("not used: " + record.ignoredFields.joined(separator: ", "), indent: 2).text
  }

  private var marks: String {
    guard !record.unverified.isEmpty else { return "" }
    return Paragraph(
      "not read in a published configuration: " + record.unverified.joined(separator: ", "),
      indent: 2
    ).text
  }
}
