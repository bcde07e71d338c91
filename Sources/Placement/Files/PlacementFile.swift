// SPDX-License-Identifier: Apache-2.0
// epsim: placements as files: JSON with all that there is to know, CSV of slots per layer.

internal import MoE
internal import Workloads

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// The JSON form of a placement, schema `epsim-placement/1`.
private struct PlacementDocument: Encodable {
  static let schemaName = "epsim-placement/1"

  var schema: String
  var name: String
  var layers: [Int]
  var experts: Int
  var ranks: Int
  var slotOffsets: [Int]
  var physicalToLogical: [[Int32]]

  enum CodingKeys: String, CodingKey {
    case schema, name, layers, experts, ranks
    case slotOffsets = "slot_offsets"
    case physicalToLogical = "physical_to_logical"
  }
}

extension ExpertPlacement {
  /// Reads the JSON form.
  ///
  /// - Parameter file: what error sentences call it.
  /// - Throws: `InputError` for anything that is not a valid placement.
  public init(json bytes: [UInt8], file: String) throws {
    let what = "placement \(file)"
    let fields = try JSONFields(bytes, name: what)
    func text(_ key: String) throws -> String {
      String(decoding: try fields.read(key) { try $0.string(key) }, as: UTF8.self)
    }
    func number(_ key: String) throws -> Int {
      try fields.read(key) { try $0.integer(key, accepted: 1...SlotTable.expertNumbers.upperBound) }
    }
    func numbers(_ reader: inout JSONReader, _ key: String) throws -> [Int] {
      var numbers: [Int] = []
      try reader.list(of: "whole numbers", key) {
        numbers.append(try $0.integer("a number of \(key)", accepted: SlotTable.expertNumbers))
      }
      return numbers
    }
    let schema = try text("schema")
    guard schema == PlacementDocument.schemaName else {
      throw InputError(
        "\(what): schema \(InputError.excerpt(schema)), accepted is \(PlacementDocument.schemaName)"
      )
    }
    let key = "physical_to_logical"
    var rows: [[Int32]] = []
    try fields.read(key) { reader in
      try reader.list(of: "lists", key) { rows.append(try numbers(&$0, key).map { Int32($0) }) }
    }
    // Errors name the file: what the placement is called in it may be the name of a strategy.
    try self.init(
      name: file, layers: fields.read("layers") { try numbers(&$0, "layers") },
      expertCount: number("experts"),
      slotOffsets: fields.read("slot_offsets") { try numbers(&$0, "slot_offsets") },
      physicalToLogical: rows)
    let ranks = try number("ranks")
    guard ranks == rankCount else {
      throw InputError("\(what): ranks says \(ranks), slot_offsets say \(rankCount)")
    }
    name = try text("name")
  }

  /// The JSON form, the same bytes for equal placements.
  public func json() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let document = PlacementDocument(
      schema: PlacementDocument.schemaName, name: name, layers: layers, experts: expertCount,
      ranks: rankCount, slotOffsets: slotOffsets, physicalToLogical: physicalToLogical)
    return [UInt8](try encoder.encode(document)) + [UInt8(ascii: "\n")]
  }

  /// Reads a table of slots: one line per layer, slot s on rank floor(s R / P).
  ///
  /// - Parameter layerLists: what the lines may stand for, such as all layers of the model or those
  ///   of the run; the first list with as many layers as there are lines is taken.
  /// - Throws: `InputError` for anything that is not a valid placement.
  public init(
    csv bytes: [UInt8], file: String, layerLists: [[Int]], expertCount: Int, rankCount: Int
  ) throws {
    let table = try IntegerCSV(
      bytes: bytes, name: "placement \(file)", accepted: 0...expertCount - 1)
    let layers = try table.layers(from: layerLists, name: "placement \(file)")
    try self.init(
      name: file, layers: layers, expertCount: expertCount,
      slotOffsets: SlotLayout.proportional(slotCount: table.columnCount, rankCount: rankCount),
      physicalToLogical: (0..<table.rowCount).map { row in
        table.values[row * table.columnCount..<(row + 1) * table.columnCount].map { Int32($0) }
      })
  }

  /// The table of slots.
  ///
  /// - Throws: `InputError` when the ranks' slots do not follow the rule of that form, so that
  ///   reading it back would move experts.
  public func csv() throws -> [UInt8] {
    let rule = SlotLayout.proportional(slotCount: slotCount, rankCount: rankCount)
    guard rule == slotOffsets else {
      throw InputError(
        "placement \(name): \(slotCount) slots on \(rankCount) ranks cannot be written as CSV, "
          + "which puts slot s on rank floor(s * ranks / slots); write JSON")
    }
    return [UInt8](IntegerCSV.text(rows: physicalToLogical).utf8)
  }
}

extension JSONReader {
  /// Visits the elements of a list; the error for anything else names the key.
  fileprivate mutating func list(
    of content: String, _ key: String, _ body: (inout JSONReader) throws -> Void
  ) throws {
    guard peek() == UInt8(ascii: "[") else {
      throw wrong("\(key) is no list, accepted is a list of \(content),")
    }
    try array(body)
  }
}
