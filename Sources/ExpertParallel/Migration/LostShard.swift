// SPDX-License-Identifier: Apache-2.0
// epsim: a rank that lives on without its experts.

internal import MoE
public import Placement

/// A rank loses its experts before a step, and gets experts again some steps later.
public struct LostShard: Sendable, Equatable {
  public let rank: Int
  /// Step, counted from the first that is measured, before which the experts are gone.
  public let step: Int

  public init(rank: Int, step: Int) { (self.rank, self.step) = (rank, step) }

  /// Parses `RANK@STEP`.
  ///
  /// - Throws: `InputError` that says what is accepted.
  public init(parsing text: String) throws {
    let parts = text.split(separator: "@", omittingEmptySubsequences: false)
    guard parts.count == 2, let rank = Int(parts[0]), let step = Int(parts[1]),
      rank >= 0, step >= 0, !text.contains("+")
    else {
      throw InputError(
        "--lose-shard \(InputError.excerpt(text)), accepted is RANK@STEP, such as 1@20")
    }
    self.init(rank: rank, step: step)
  }
}

extension ExpertPlacement {
  /// The placement that goes on without a rank's experts: replicas take over, and what had none goes
  /// to the other ranks in turn, lowest first.
  ///
  /// The lost rank's slots go to the others in the same turn, so that ranks hold equally many slots
  /// in every layer. One that a layer does not need holds the first expert of its rank again, which
  /// costs no memory.
  /// - Throws: `InputError` where no other rank is there.
  public func losing(rank lost: Int) throws -> ExpertPlacement {
    let others = (0..<rankCount).filter { $0 != lost }
    guard !others.isEmpty else {
      throw InputError("placement \(name): rank \(lost) is the only one, nothing can take over")
    }
    var offsets = [0]
    for rank in 0..<rankCount {
      let size =
        others.firstIndex(of: rank).map { turn in
          slots(ofRank: rank).count
            + slots(ofRank: lost).indices.count { index in
              (index - slotOffsets[lost]) % others.count == turn
            }
        } ?? 0
      offsets.append(offsets[rank] + size)
    }
    return try ExpertPlacement(
      name: name, layers: layers, expertCount: expertCount, slotOffsets: offsets,
      physicalToLogical: physicalToLogical.map { row in
        var held = others.map { Array(row[slots(ofRank: $0)]) }
        let kept = Set(held.flatMap { $0 })
        let orphans = (0..<Int32(expertCount)).filter { !kept.contains($0) }
        for (index, expert) in orphans.enumerated() { held[index % others.count].append(expert) }
        return zip(others, held).flatMap { rank, experts in
          let size = offsets[rank + 1] - offsets[rank]
          return experts + Array(repeating: experts.first ?? 0, count: size - experts.count)
        }
      })
  }
}
