// SPDX-License-Identifier: Apache-2.0
// epsim: heavy items first, each into the lightest pack that has room.

/// Packs weighted items into packs with room for a fixed number of items each: longest processing
/// time first (LPT) with a limit on the number.
///
/// Items are taken by falling load, equal loads by rising index; equally light packs by rising
/// index. Sums are Float32, as in the original, so that its maps are reproduced.
/// Source: github.com/deepseek-ai/EPLB, `balanced_packing`.
public enum BalancedPacking {
  /// Where an item went.
  public struct Position: Sendable, Equatable {
    /// The pack.
    public var pack: Int
    /// How many items the pack held before.
    public var index: Int
  }

  /// Finds a place for every item.
  ///
  /// Where every pack holds at most one item, item i goes to the i-th pack with room.
  /// - Parameters:
  ///   - loads: [n] loads, finite and not negative.
  ///   - room: items that each pack holds when full; the sum is n.
  /// - Returns: [n] positions.
  public static func pack(_ loads: [Float], room: [Int]) -> [Position] {
    let places = room.reduce(0, +)
    precondition(places == loads.count, "\(loads.count) items for \(places) places")
    if room.allSatisfy({ $0 <= 1 }) {
      return room.indices.filter { room[$0] == 1 }.map { Position(pack: $0, index: 0) }
    }
    var positions = Array(repeating: Position(pack: 0, index: 0), count: loads.count)
    var held = Array(repeating: 0, count: room.count)
    var lightest = KeyedHeap(
      room.indices.lazy.filter { room[$0] > 0 }.map { (item: $0, key: Float(0)) })
    for item in fallingOrder(loads) {
      guard let (pack, sum) = lightest.first else { break }
      positions[item] = Position(pack: pack, index: held[pack])
      held[pack] += 1
      if held[pack] == room[pack] {
        lightest.removeFirst()
      } else {
        lightest.replaceFirst(key: sum + loads[item])
      }
    }
    return positions
  }

  /// Indices by falling load, equal loads by rising index.
  static func fallingOrder(_ loads: [Float]) -> [Int] {
    // The bits of a load grow with its value, which is not negative: with the index they make one
    // integer key.
    loads.enumerated()
      .map { UInt64(~$1.bitPattern) << 32 | UInt64($0) }
      .sorted()
      .map { Int($0 & 0xffff_ffff) }
  }
}
