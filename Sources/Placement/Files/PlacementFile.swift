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
private struct PlacementDocument: Codable {
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
    let document: PlacementDocument
    do {
      document = try JSONDecoder().decode(PlacementDocument.self, from: Data(bytes))
    } catch {
      throw InputError(
        "placement \(file): this is not the JSON of a placement, which has schema, name, layers, "
          + "experts, ranks, slot_offsets and physical_to_logical")
    }
    guard document.schema == PlacementDocument.schemaName else {
      throw InputError(
        "placement \(file): schema \(document.schema), accepted is "
          + PlacementDocument.schemaName)
    }
    try self.init(
      name: document.name, layers: document.layers, expertCount: document.experts,
      slotOffsets: document.slotOffsets, physicalToLogical: document.physicalToLogical)
    guard document.ranks == rankCount else {
      throw InputError(
        "placement \(file): ranks says \(document.ranks), slot_offsets say \(rankCount)")
    }
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
