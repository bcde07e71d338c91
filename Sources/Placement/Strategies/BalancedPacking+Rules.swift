// SPDX-License-Identifier: Apache-2.0
// epsim: packing for packs of different speeds, and by turns.

extension BalancedPacking {
  /// Packs heavy items first, each into the pack that would be done with it first: the smallest
  /// (load of the pack + load of the item) / speed, equal times by rising index.
  ///
  /// - Parameters:
  ///   - loads: [n] loads, finite and not negative.
  ///   - room: items that each pack holds when full; the sum is n.
  ///   - speeds: of each pack, above 0.
  ///   - base: what every pack has to do besides its items.
  /// - Returns: [n] positions.
  /// Source: Gonzalez, Ibarra, Sahni, "Bounds for LPT schedules on uniform processors", SIAM J.
  /// Comput. 6, 1977.
  public static func pack(
    _ loads: [Float], room: [Int], speeds: [Double], base: Double = 0
  ) -> [Position] {
    precondition(
      room.reduce(0, +) == loads.count && speeds.count == room.count,
      "\(loads.count) items for packs of \(room) with \(speeds.count) speeds")
    var positions = Array(repeating: Position(pack: 0, index: 0), count: loads.count)
    var held = Array(repeating: 0, count: room.count)
    var sums = Array(repeating: base, count: room.count)
    for item in fallingOrder(loads) {
      var (best, bestTime) = (0, Double.infinity)
      for pack in room.indices where held[pack] < room[pack] {
        let time = (sums[pack] + Double(loads[item])) / speeds[pack]
        if time < bestTime { (best, bestTime) = (pack, time) }
      }
      positions[item] = Position(pack: best, index: held[best])
      held[best] += 1
      sums[best] += Double(loads[item])
    }
    return positions
  }

  /// Deals items by falling load to the packs with room, rising and falling by turns.
  ///
  /// - Returns: [n] positions.
  /// Source: github.com/sgl-project/sglang, the packing of `deepseek_vec`.
  public static func snake(_ loads: [Float], room: [Int]) -> [Position] {
    precondition(
      room.reduce(0, +) == loads.count, "\(loads.count) items for packs of \(room)")
    var positions = Array(repeating: Position(pack: 0, index: 0), count: loads.count)
    var items = fallingOrder(loads).makeIterator()
    for round in 0..<(room.max() ?? 0) {
      let packs = room.indices.filter { room[$0] > round }
      for pack in round.isMultiple(of: 2) ? packs : packs.reversed() {
        guard let item = items.next() else { break }
        positions[item] = Position(pack: pack, index: round)
      }
    }
    return positions
  }
}
