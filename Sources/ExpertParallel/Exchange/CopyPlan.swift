// SPDX-License-Identifier: Apache-2.0
// epsim: one copy of a token's row for all of its experts in one place.

internal import MPI
internal import MoE

/// One expert that a copy is for, and the weight of its result; travels behind the rows.
struct CopyEntry: BitwiseCopyable {
  /// Slot over all ranks; -1 where the entry is not used.
  var slot: Int32
  var weight: Float
}

/// Which copies of which tokens travel where, with the experts that each is for: one copy per token
/// and destination, where a destination is a rank or a node.
///
/// Copies are ordered by destination, then token. Allocated once and reused; building it neither
/// allocates nor communicates.
final class CopyPlan {
  /// Places for experts behind each copy.
  let entriesPerCopy: Int
  /// Copies for each rank that takes them in.
  private(set) var partition: Partition
  /// [copies] token of each copy.
  let tokenOfCopy: UnsafeMutableBufferPointer<Int32>
  /// [copies, entriesPerCopy] experts of each copy in ascending k, unused entries last.
  let entries: UnsafeMutableBufferPointer<CopyEntry>
  /// [T, K] copy that carries each assignment where it is the first of its copy, else -1: every
  /// copy of a token once.
  let copyOfChoice: UnsafeMutableBufferPointer<Int32>
  /// [R] distinct tokens for each rank, whichever way they take.
  let tokensPerRank: UnsafeMutableBufferPointer<Int32>

  private let targetOfSlot: [Int32]
  private let rankOfSlot: [Int32]
  private let copiesPerTarget: UnsafeMutableBufferPointer<Int32>
  private let nextCopy: UnsafeMutableBufferPointer<Int32>
  /// [R] the copy of the present token for each target, and how many experts it has.
  private let openCopy: UnsafeMutableBufferPointer<Int32>
  private let openEntries: UnsafeMutableBufferPointer<Int32>
  private let lastTokenOfTarget: UnsafeMutableBufferPointer<Int32>
  private let lastTokenOfRank: UnsafeMutableBufferPointer<Int32>

  /// - Parameters:
  ///   - targetOfRank: [R] the rank that takes in what is for a rank: itself, or one of its node.
  ///   - slotOffsets: [R + 1] slots of rank r are `slotOffsets[r] ..< slotOffsets[r + 1]`.
  ///   - entriesPerCopy: the most experts that a token can have behind one target.
  ///   - assignmentCapacity: the most assignments (tokens times choices) of a step.
  ///   - copyCapacity: the most copies of a step.
  init(
    targetOfRank: [Int], slotOffsets: [Int], entriesPerCopy: Int, assignmentCapacity: Int,
    copyCapacity: Int
  ) {
    let ranks = targetOfRank.count
    rankOfSlot = (0..<ranks).flatMap { rank in
      Array(repeating: Int32(rank), count: slotOffsets[rank + 1] - slotOffsets[rank])
    }
    targetOfSlot = rankOfSlot.map { Int32(targetOfRank[Int($0)]) }
    self.entriesPerCopy = entriesPerCopy
    partition = Partition(peerCount: ranks)
    tokenOfCopy = .zeroed(copyCapacity)
    entries = .allocate(capacity: copyCapacity * entriesPerCopy)
    entries.initialize(repeating: CopyEntry(slot: -1, weight: 0))
    copyOfChoice = .zeroed(assignmentCapacity)
    tokensPerRank = .zeroed(ranks)
    copiesPerTarget = .zeroed(ranks)
    nextCopy = .zeroed(ranks)
    openCopy = .zeroed(ranks)
    openEntries = .zeroed(ranks)
    lastTokenOfTarget = .zeroed(ranks)
    lastTokenOfRank = .zeroed(ranks)
  }

  deinit {
    for buffer in [
      tokenOfCopy, copyOfChoice, tokensPerRank, copiesPerTarget, nextCopy, openCopy, openEntries,
      lastTokenOfTarget, lastTokenOfRank,
    ] {
      buffer.deallocate()
    }
    entries.deallocate()
  }

  /// Plans the copies of the tokens of a plan. Local.
  ///
  /// - Parameter decision: of the batch that the tokens are of.
  func build(
    _ plan: DispatchPlan, decision: borrowing RoutingDecision
  ) throws(MPIError) {
    countCopies(plan, topK: decision.topK)
    try partition.setCounts(UnsafeBufferPointer(copiesPerTarget))
    for target in nextCopy.indices { nextCopy[target] = partition.displacements[target] }
    let topK = decision.topK
    lastTokenOfTarget.update(repeating: -1)
    decision.routingWeights.withUnsafeBufferPointer { weights in
      let firstWeight = plan.tokens.lowerBound * topK
      var assignment = 0
      for token in plan.tokens {
        for _ in 0..<topK {
          let slot = plan.slots[assignment]
          copyOfChoice[assignment] =
            slot < 0
            ? -1
            : addEntry(
              slot, weight: weights[firstWeight + assignment],
              token: Int32(truncatingIfNeeded: token))
          assignment += 1
        }
      }
    }
  }

  private func countCopies(_ plan: DispatchPlan, topK: Int) {
    copiesPerTarget.update(repeating: 0)
    tokensPerRank.update(repeating: 0)
    lastTokenOfTarget.update(repeating: -1)
    lastTokenOfRank.update(repeating: -1)
    var assignment = 0
    for token in plan.tokens {
      let token = Int32(truncatingIfNeeded: token)
      for _ in 0..<topK {
        let slot = Int(plan.slots[assignment])
        assignment += 1
        guard slot >= 0 else { continue }
        let (target, rank) = (Int(targetOfSlot[slot]), Int(rankOfSlot[slot]))
        if lastTokenOfTarget[target] != token {
          lastTokenOfTarget[target] = token
          copiesPerTarget[target] += 1
        }
        if lastTokenOfRank[rank] != token {
          lastTokenOfRank[rank] = token
          tokensPerRank[rank] += 1
        }
      }
    }
  }

  /// Adds an expert to the token's copy for its target.
  ///
  /// - Returns: the copy where it is new, else -1.
  private func addEntry(_ slot: Int32, weight: Float, token: Int32) -> Int32 {
    let target = Int(targetOfSlot[Int(slot)])
    let isNew = lastTokenOfTarget[target] != token
    if isNew {
      lastTokenOfTarget[target] = token
      let copy = nextCopy[target]
      nextCopy[target] = copy + 1
      openCopy[target] = copy
      openEntries[target] = 0
      tokenOfCopy[Int(copy)] = token
      let first = Int(copy) * entriesPerCopy
      for entry in first..<first + entriesPerCopy { entries[entry].slot = -1 }
    }
    let copy = openCopy[target]
    entries[Int(copy) * entriesPerCopy + Int(openEntries[target])] = CopyEntry(
      slot: slot, weight: weight)
    openEntries[target] += 1
    return isNew ? copy : -1
  }
}
