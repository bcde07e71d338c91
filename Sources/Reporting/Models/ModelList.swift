// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim model` prints without a name, and with several.

internal import MoE

/// All presets, by family.
public struct ModelList {
  private let records: [ModelRecord]

  public init(_ records: [ModelRecord]) { self.records = records }

  public var text: String {
    var table = TextTable([
      ("family", .left), ("model", .left), ("hidden", .right), ("expert\nFFN", .right),
      ("experts", .right), ("top-k", .right), ("shared\nFFN", .right),
      ("layers with\nexperts", .right),
      ("total", .right), ("active", .right),
    ])
    let families = Dictionary(grouping: records, by: \.family)
    for family in families.keys.sorted(by: { $0.lowercased() < $1.lowercased() }) {
      for (index, record) in families[family]!.sorted(by: { $0.total < $1.total }).enumerated() {
        let isDense = record.experts == 0
        table.add([
          index == 0 ? family : "", record.name + (record.unverified.isEmpty ? "" : " *"),
          "\(record.hiddenSize)", isDense ? "-" : "\(record.expertFfnSize)",
          isDense ? "dense" : "\(record.experts)", isDense ? "-" : "\(record.topK)",
          record.sharedFfnSize == 0 ? "-" : "\(record.sharedFfnSize)",
          "\(record.moeLayers.count) of \(record.layers)", Quantity.count(record.total),
          Quantity.count(record.active),
        ])
      }
    }
    let legend =
      "* some values were not read in a published configuration: 'epsim model NAME' names them."
    return records.contains { !$0.unverified.isEmpty } ? table.text + "\n\n" + legend : table.text
  }
}

/// Several models side by side, with the dense models that they are worth.
public struct ModelComparison {
  private let records: [ModelRecord]
  private static let width = 100

  public init(_ records: [ModelRecord]) { self.records = records }

  public var text: String {
    var tables: [String] = []
    var chosen: [ModelRecord] = []
    for record in records {
      // At least one model stands in a table, at most four.
      if !chosen.isEmpty, chosen.count < 4 {
        let wider = Self.table(chosen + [record])
        if wider.split(separator: "\n").allSatisfy({ $0.count <= Self.width }) {
          chosen.append(record)
          tables[tables.count - 1] = wider
          continue
        }
      }
      chosen = [record]
      tables.append(Self.table(chosen))
    }
    let notes = [
      "Bytes at 16 bit a value but where another width is named; of the largest of "
        + "\(records.first?.ranks ?? 1) ranks"
        + (records.first?.placement.map { " placed by \($0)" } ?? "")
        + ", which shares out the routed experts and holds the rest.",
      "Dense models have the same layers, hidden size and attention; the FFN width is the one that "
        + "gives as many parameters.",
    ]
    return (tables + [notes.map { Paragraph($0, indent: 0).text }.joined(separator: "\n")])
      .joined(separator: "\n\n")
  }

  private static func table(_ records: [ModelRecord]) -> String {
    var table = TextTable([("", .left)] + records.map { ($0.name, .right) })
    func add(_ label: String, _ cell: (ModelRecord) -> String) {
      let cells = records.map(cell)
      // A row that says nothing of any of them is left out.
      if cells.contains(where: { $0 != "-" }) { table.add([label] + cells) }
    }
    func size(_ value: Int) -> String { value == 0 ? "-" : "\(value)" }
    func bytes(_ values: Int) -> String { values == 0 ? "-" : Quantity.bytes(2 * Double(values)) }
    add("hidden") { "\($0.hiddenSize)" }
    add("layers with experts") { "\($0.moeLayers.count) of \($0.layers)" }
    add("experts") { size($0.experts) }
    add("top-k") { size($0.topK) }
    add("expert FFN") { size($0.expertFfnSize) }
    add("shared FFN") { size($0.sharedFfnSize) }
    add("parameters") { Quantity.count($0.total) }
    add("active") { Quantity.count($0.active) }
    add("activation ratio") { Quantity.percent($0.activationRatio) }
    add("FLOPs per token") { Quantity.count($0.forwardFlopsPerToken) }
    add("cache per token") { bytes($0.cache.valuesPerToken) }
    add("  in windows") { record in
      bytes(record.cache.windows.reduce(0) { $0 + $1.valuesPerToken })
    }
    add("  constant state") { bytes($0.cache.stateValues) }
    for (index, bits) in [16, 8, 4].enumerated() {
      add("largest rank, \(bits) bit") { Quantity.bytes(Double($0.bytesPerRank[index].total)) }
    }
    for match in ["total", "active"] {
      func equal(_ record: ModelRecord) -> ModelRecord.DenseEqual? {
        record.denseEquals.first { $0.match == match }
      }
      add("dense, equal \(match)") { _ in "" }
      add("  FFN width") { equal($0).map { "\($0.ffnSize)" } ?? "-" }
      add("  parameters") { equal($0).map { Quantity.count($0.total) } ?? "-" }
      add("  FLOPs per token") {
        equal($0).map { Quantity.count($0.forwardFlopsPerToken) } ?? "-"
      }
    }
    return table.text
  }
}
