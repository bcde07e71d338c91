// SPDX-License-Identifier: Apache-2.0
// epsim: which expert stands in which slot of which rank, layer by layer.

internal import MoE

/// A placement: for every layer the logical expert in each physical slot.
///
/// Rank r holds slots `slotOffsets[r] ..< slotOffsets[r + 1]`; ranks may hold unequal numbers of
/// slots and none at all. An expert in several slots is replicated. A value of this type is valid:
/// every expert of every layer has at least one slot.
public struct ExpertPlacement: Sendable, Equatable {
  /// The most slots per layer that are accepted.
  public static let maximumSlotCount = 1 << 20

  /// What tables call it.
  public internal(set) var name: String
  /// Layers in the model's numbering, one per row of ``physicalToLogical``.
  public let layers: [Int]
  /// E, the logical experts of a layer.
  public let expertCount: Int
  /// [R + 1] first slot of each rank, and P.
  public let slotOffsets: [Int]
  /// [rows][P] logical expert in each slot.
  public let physicalToLogical: [[Int32]]
  /// [P] rank of each slot.
  public let rankOfSlot: [Int32]

  /// R, the ranks.
  public var rankCount: Int { slotOffsets.count - 1 }
  /// P, the slots of a layer over all ranks.
  public var slotCount: Int { rankOfSlot.count }
  /// A hash of which expert stands in which slot of which rank, the same in every process.
  ///
  /// Source: FNV-1a, 64 bit (Fowler, Noll, Vo), over the numbers as they stand.
  public var fingerprint: UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for number in slotOffsets + layers + physicalToLogical.flatMap({ $0.map(Int.init) }) {
      hash = (hash ^ UInt64(truncatingIfNeeded: number)) &* 0x100_0000_01B3
    }
    return hash
  }
  /// P - E, the slots beyond one per expert.
  public var extraSlotCount: Int { slotCount - expertCount }

  /// Checks and keeps a placement.
  ///
  /// - Throws: ``InputError`` that names the layer, slot, value and accepted range.
  public init(
    name: String, layers: [Int], expertCount: Int, slotOffsets: [Int],
    physicalToLogical: [[Int32]]
  ) throws {
    let what = "placement \(name)"
    guard expertCount >= 1 else {
      throw InputError("\(what): \(expertCount) experts, accepted are at least 1")
    }
    guard slotOffsets.count >= 2, slotOffsets[0] == 0,
      zip(slotOffsets, slotOffsets.dropFirst()).allSatisfy({ $0 <= $1 })
    else {
      throw InputError(
        "\(what): slot offsets must start with 0, never fall and have one entry more than there "
          + "are ranks")
    }
    let slotCount = slotOffsets[slotOffsets.count - 1]
    guard slotCount >= expertCount, slotCount <= Self.maximumSlotCount else {
      throw InputError(
        "\(what): \(slotCount) slots for \(expertCount) experts, accepted are \(expertCount)..."
          + "\(Self.maximumSlotCount)")
    }
    guard !layers.isEmpty else {
      throw InputError("\(what): it has no layers, accepted is at least one")
    }
    guard layers.count == physicalToLogical.count, Set(layers).count == layers.count else {
      throw InputError(
        "\(what): \(Set(layers).count) different layers for \(physicalToLogical.count) rows of "
          + "slots, the two must be equal")
    }
    for (layer, row) in zip(layers, physicalToLogical) {
      guard row.count == slotCount else {
        throw InputError(
          "\(what): layer \(layer) has \(row.count) slots, the ranks hold \(slotCount)")
      }
      var isPlaced = Array(repeating: false, count: expertCount)
      for (slot, expert) in row.enumerated() {
        guard expert >= 0, expert < expertCount else {
          throw InputError(
            "\(what): expert \(expert) in layer \(layer), slot \(slot), accepted are 0..."
              + "\(expertCount - 1)")
        }
        isPlaced[Int(expert)] = true
      }
      if let missing = isPlaced.firstIndex(of: false) {
        throw InputError("\(what): expert \(missing) of layer \(layer) is in no slot")
      }
    }
    self.name = name
    self.layers = layers
    self.expertCount = expertCount
    self.slotOffsets = slotOffsets
    self.physicalToLogical = physicalToLogical
    rankOfSlot = zip(slotOffsets, slotOffsets.dropFirst()).enumerated().flatMap { rank, slots in
      repeatElement(Int32(rank), count: slots.1 - slots.0)
    }
  }

  /// The row of a layer in the model's numbering, nil where the placement has none.
  public func row(ofLayer layer: Int) -> Int? { layers.firstIndex(of: layer) }

  /// The rows of some layers only, under the given name.
  ///
  /// - Throws: ``InputError`` that names a layer which is not there.
  public func selecting(layers wanted: [Int], name: String) throws -> ExpertPlacement {
    try ExpertPlacement(
      name: name, layers: wanted, expertCount: expertCount, slotOffsets: slotOffsets,
      physicalToLogical: wanted.map { layer in
        guard let row = row(ofLayer: layer) else {
          throw InputError("placement \(name) has no layer \(layer), it has layers \(layers)")
        }
        return physicalToLogical[row]
      })
  }

  /// The slots of a rank, the same in every layer.
  public func slots(ofRank rank: Int) -> Range<Int> { slotOffsets[rank]..<slotOffsets[rank + 1] }

  /// The rank that a slot lies on.
  public func rank(ofSlot slot: Int) -> Int { Int(rankOfSlot[slot]) }

  /// The distinct experts on a rank in one row, ascending.
  public func experts(onRank rank: Int, layerRow row: Int) -> [Int] {
    Set(physicalToLogical[row][slots(ofRank: rank)].map { Int($0) }).sorted()
  }

  /// [E] slots of each expert in one row.
  public func replicaCounts(layerRow row: Int) -> [Int] {
    var counts = Array(repeating: 0, count: expertCount)
    for expert in physicalToLogical[row] { counts[Int(expert)] += 1 }
    return counts
  }

  /// The slots of each expert in one row, ascending: expert e is in
  /// `slots[offsets[e] ..< offsets[e + 1]]`.
  public func logicalToPhysical(layerRow row: Int) -> (offsets: [Int], slots: [Int32]) {
    var offsets = [0]
    for count in replicaCounts(layerRow: row) { offsets.append(offsets[offsets.count - 1] + count) }
    var next = offsets
    var slots = Array(repeating: Int32(0), count: slotCount)
    for (slot, expert) in physicalToLogical[row].enumerated() {
      slots[next[Int(expert)]] = Int32(slot)
      next[Int(expert)] += 1
    }
    return (offsets, slots)
  }

  /// ``uselessReplicaCount(layerRow:)`` over all rows.
  public var uselessReplicaCount: Int {
    layers.indices.reduce(0) { $0 + uselessReplicaCount(layerRow: $1) }
  }

  /// Slots in one row that hold an expert which their rank already holds in a lower slot: they cost
  /// memory and spread no load.
  public func uselessReplicaCount(layerRow row: Int) -> Int {
    (0..<rankCount).reduce(0) { sum, rank in
      sum + slots(ofRank: rank).count - experts(onRank: rank, layerRow: row).count
    }
  }
}
