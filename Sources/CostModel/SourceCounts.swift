// SPDX-License-Identifier: Apache-2.0
// epsim: how many assignments each rank has for each slot.

/// Assignments from source ranks to slots: the traffic of a layer before slots have ranks.
public struct SourceCounts: Sendable, Equatable {
  /// R.
  public let rankCount: Int
  /// S.
  public let slotCount: Int
  /// [R, S] assignments; fractions where replicas share an expert's, or of expected values.
  public let values: [Double]

  /// The given counts, finite and not negative.
  /// - Precondition: `values` has R x S entries.
  public init(rankCount: Int, slotCount: Int, values: [Double]) {
    precondition(
      rankCount >= 1 && slotCount >= 0 && values.count == rankCount * slotCount,
      "\(values.count) counts for \(rankCount) ranks and \(slotCount) slots")
    self.rankCount = rankCount
    self.slotCount = slotCount
    self.values = values
  }

  /// Counts per expert, dealt evenly to the slots that hold it.
  ///
  /// Shapes: `counts` [R, E]; `expertOfSlot` [S]. An expert without a slot loses its assignments.
  /// - Precondition: these shapes; experts are 0 ..< E.
  public init(rankCount: Int, expertCount: Int, counts: [Double], expertOfSlot: [Int]) {
    precondition(
      counts.count == rankCount * expertCount
        && expertOfSlot.allSatisfy { 0..<expertCount ~= $0 },
      "\(counts.count) counts for \(rankCount) ranks and \(expertCount) experts")
    var replicas = Array(repeating: 0.0, count: expertCount)
    for expert in expertOfSlot { replicas[expert] += 1 }
    let shares = expertOfSlot.map { 1 / replicas[$0] }
    let slots = expertOfSlot.count
    let values = [Double](unsafeUninitializedCapacity: rankCount * slots) { values, count in
      for source in 0..<rankCount {
        for slot in 0..<slots {
          let assignments = counts[source * expertCount + expertOfSlot[slot]]
          values.initializeElement(at: source * slots + slot, to: assignments * shares[slot])
        }
      }
      count = rankCount * slots
    }
    self.init(rankCount: rankCount, slotCount: slots, values: values)
  }

  /// [R] what each rank sends and [S] what each slot gets, wherever to and from.
  public var sums: (perSource: [Double], perSlot: [Double]) {
    var perSlot = Array(repeating: 0.0, count: slotCount)
    let perSource = values.withUnsafeBufferPointer { values in
      (0..<rankCount).map { source in
        guard let first = values.baseAddress else { return 0.0 }
        return (first + source * slotCount).addUp(count: slotCount, into: &perSlot)
      }
    }
    return (perSource, perSlot)
  }
}

/// What the slots of each rank get.
public struct SlotLoads: Sendable, Equatable {
  /// [R] rows.
  public var rows: [Double]
  /// [R] slots that get rows.
  public var active: [Double]

  /// - Precondition: a rank, 0 ..< R, for every slot.
  public init(perSlot: [Double], rankOfSlot: [Int], rankCount: Int) {
    precondition(
      perSlot.count == rankOfSlot.count, "\(perSlot.count) loads of \(rankOfSlot.count) slots")
    rows = Array(repeating: 0, count: rankCount)
    active = rows
    for (slot, rank) in rankOfSlot.enumerated() where perSlot[slot] > 0 {
      rows[rank] += perSlot[slot]
      active[rank] += 1
    }
  }
}
