// SPDX-License-Identifier: Apache-2.0
// epsim: rows of slots as servers write them, which become a placement for a model and its ranks.

internal import MoE
internal import Workloads

/// Which expert stands in which slot, as read from a file that says little about the rest.
struct SlotTable {
  /// [rows][slots] logical expert.
  var rows: [[Int]]
  /// Layers in the model's numbering; nil where the rows alone stand for layers.
  var layers: [Int]?
  /// Slots of each rank; nil where every rank holds equally many.
  var slotsPerRank: [Int]?

  /// Numbers of experts that are read; whether they exist is checked afterwards.
  static let expertNumbers = 0...Int(Int32.max)

  /// A row per layer.
  init(rows: [[Int]]) { self.rows = rows }

  /// An array [layers, slots], or [slots] for all layers alike.
  init(_ array: IntegerArray, layerCount: Int) {
    rows =
      array.shape.count == 2
      ? (0..<array.shape[0]).map { Array(array[row: $0]) }
      : Array(repeating: array.values, count: layerCount)
  }

  /// The placement of the layers that somebody asks for.
  ///
  /// - Parameters:
  ///   - name: of the placement and its file.
  ///   - layerLists: what rows may stand for, see ``IntegerArray/layers(ofRows:from:name:)``.
  /// - Throws: `InputError` that names the layer, slot, value and what is accepted.
  func placement(
    name: String, layerLists: [[Int]], expertCount: Int, rankCount: Int
  ) throws -> ExpertPlacement {
    let what = "placement \(name)"
    let slotCount = rows.first?.count ?? 0
    guard slotCount <= ExpertPlacement.maximumSlotCount else {
      throw InputError(
        "\(what): \(slotCount) slots, accepted are at most \(ExpertPlacement.maximumSlotCount)")
    }
    let offsets: [Int]
    if let slotsPerRank {
      guard slotsPerRank.count == rankCount else {
        throw InputError(
          "\(what) is for \(slotsPerRank.count) ranks, needed are \(rankCount) ranks")
      }
      offsets = slotsPerRank.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    } else {
      guard slotCount.isMultiple(of: rankCount) else {
        throw InputError(
          "\(what): \(slotCount) slots on \(rankCount) ranks, this format has equally many on every "
            + "rank")
      }
      offsets = SlotLayout.proportional(slotCount: slotCount, rankCount: rankCount)
    }
    let numbers =
      try layers ?? IntegerArray.layers(ofRows: rows.count, from: layerLists, name: what)
    // Rows of dense layers hold whatever the server put there.
    let kept = layerLists.contains(numbers) ? numbers : wanted(numbers, layerLists)
    return try ExpertPlacement(
      name: name, layers: kept, expertCount: expertCount, slotOffsets: offsets,
      physicalToLogical: kept.map { layer in
        rows[numbers.firstIndex(of: layer)!].map { Int32($0) }
      })
  }

  /// The layers of the first list that are all there, else everything.
  private func wanted(_ numbers: [Int], _ lists: [[Int]]) -> [Int] {
    let there = Set(numbers)
    return lists.first { !$0.isEmpty && there.isSuperset(of: $0) } ?? numbers
  }
}
