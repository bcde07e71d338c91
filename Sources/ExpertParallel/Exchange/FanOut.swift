// SPDX-License-Identifier: Apache-2.0
// epsim: copies for a node, passed on to the ranks that have experts for them.

internal import CostModel
internal import Kernels
internal import MPI

/// Which copies that a rank took in for its node go to which rank of it.
///
/// Passed-on units are ordered by (rank, source, copy); those of one rank and source are a block of
/// rows and then entries, as at their source. Nothing here allocates after `init`.
final class FanOut {
  /// Units for each rank; none for those of other nodes.
  private(set) var partition: Partition

  private let setting: ExchangeSetting
  private let partners: NodePartners
  private let unitBytes: Int
  private let rowBytes: Int
  private let entryBytes: Int
  /// Ranks of this node.
  private let ranks: [Int]
  /// [P] place of each slot's rank among ``ranks``; -1 on other nodes.
  private let placeOfSlot: [Int32]
  /// [ranks, R] units for each rank of the node from each source.
  private let counts: UnsafeMutableBufferPointer<Int32>
  private let next: UnsafeMutableBufferPointer<Int32>
  private let perRank: UnsafeMutableBufferPointer<Int32>
  private let lastCopy: UnsafeMutableBufferPointer<Int32>
  /// [units] copy within its source's block.
  private let copyOfUnit: UnsafeMutableBufferPointer<Int32>
  /// Units of every copy, by copy.
  private let unitOffsets: UnsafeMutableBufferPointer<Int32>
  private let units: UnsafeMutableBufferPointer<Int32>

  init(_ setting: ExchangeSetting, unitBytes: Int) {
    self.setting = setting
    self.unitBytes = unitBytes
    rowBytes = setting.scheme.wire.rowBytes(length: setting.hidden)
    entryBytes = unitBytes - rowBytes
    partners = NodePartners(setting.topology)
    let ranks = partners.ranks(ofNode: setting.topology.nodeOfRank[setting.rank])
    self.ranks = ranks
    placeOfSlot = (0..<setting.rankCount).flatMap { rank in
      Array(
        repeating: Int32(ranks.firstIndex(of: rank) ?? -1),
        count: setting.slotOffsets[rank + 1] - setting.slotOffsets[rank])
    }
    partition = Partition(peerCount: setting.rankCount)
    let copies = setting.bounds.forwardedTokens
    let capacity = copies * min(setting.choiceWidth, ranks.count)
    counts = .zeroed(ranks.count * setting.rankCount)
    next = .zeroed(ranks.count * setting.rankCount)
    perRank = .zeroed(setting.rankCount)
    lastCopy = .zeroed(ranks.count)
    copyOfUnit = .zeroed(capacity)
    unitOffsets = .zeroed(copies + 1)
    units = .zeroed(capacity)
  }

  deinit {
    for buffer in [counts, next, perRank, lastCopy, copyOfUnit, unitOffsets, units] {
      buffer.deallocate()
    }
  }

  /// Reads which ranks each copy is for. Local.
  ///
  /// - Parameter taken: copies by source; `copies` holds a block for each.
  func build(_ taken: Partition, from copies: UnsafeRawPointer) throws(MPIError) {
    counts.update(repeating: 0)
    var total: Int32 = 0
    forEachUnit(taken, copies) { place, source, _, copy in
      counts[place * setting.rankCount + source] += 1
      total += 1
      unitOffsets[copy + 1] = total
    }
    var first: Int32 = 0
    for (place, rank) in ranks.enumerated() {
      perRank[rank] = 0
      for source in 0..<setting.rankCount {
        let index = place * setting.rankCount + source
        next[index] = first
        first += counts[index]
        perRank[rank] += counts[index]
      }
    }
    try partition.setCounts(UnsafeBufferPointer(perRank))
    var member = 0
    forEachUnit(taken, copies) { place, source, copyOfBlock, _ in
      let unit = next[place * setting.rankCount + source]
      next[place * setting.rankCount + source] = unit + 1
      copyOfUnit[Int(unit)] = Int32(truncatingIfNeeded: copyOfBlock)
      units[member] = unit
      member += 1
    }
  }

  /// Calls `body` for every rank of the node that a copy is for, once: the rank's place in the node,
  /// the source, the copy within its block, and over all blocks.
  private func forEachUnit(
    _ taken: Partition, _ copies: UnsafeRawPointer,
    _ body: (_ place: Int, _ source: Int, _ copyOfBlock: Int, _ copy: Int) -> Void
  ) {
    let perCopy = entryBytes / MemoryLayout<CopyEntry>.stride
    lastCopy.update(repeating: -1)
    unitOffsets[0] = 0
    for source in 0..<setting.rankCount {
      let block = taken[source]
      let entries = copies + block.lowerBound * unitBytes + block.count * rowBytes
      for copy in block {
        for entry in 0..<perCopy {
          let slot = entries.loadUnaligned(
            fromByteOffset: (copy - block.lowerBound) * entryBytes
              + entry * MemoryLayout<CopyEntry>.stride, as: CopyEntry.self
          ).slot
          guard slot >= 0, placeOfSlot[Int(slot)] >= 0 else { continue }
          let place = Int(placeOfSlot[Int(slot)])
          guard lastCopy[place] != Int32(truncatingIfNeeded: copy) else { continue }
          lastCopy[place] = Int32(truncatingIfNeeded: copy)
          body(place, source, copy - block.lowerBound, copy)
        }
      }
    }
  }

  /// Writes the blocks for the ranks of the node. Local.
  func pack(
    _ taken: Partition, from copies: UnsafeRawPointer, into blocks: UnsafeMutableRawPointer
  ) {
    for (place, rank) in ranks.enumerated() {
      var unit = partition[rank].lowerBound
      for source in 0..<setting.rankCount {
        let count = Int(counts[place * setting.rankCount + source])
        packBlock(
          unit..<unit + count, of: taken[source], from: copies, into: blocks + unit * unitBytes)
        unit += count
      }
    }
  }

  /// Writes the units of one rank and source.
  private func packBlock(
    _ range: Range<Int>, of block: Range<Int>, from copies: UnsafeRawPointer,
    into target: UnsafeMutableRawPointer
  ) {
    guard !range.isEmpty else { return }
    let indices = UnsafePointer(copyOfUnit.baseAddress! + range.lowerBound)
    let source = copies + block.lowerBound * unitBytes
    RowKernels.gather(
      rows: range.count, byteCount: rowBytes, indices: indices, from: source, into: target)
    RowKernels.gather(
      rows: range.count, byteCount: entryBytes, indices: indices,
      from: source + block.count * rowBytes, into: target + range.count * rowBytes)
  }

  /// Gives the units of every source their place, ordered by the rank that passes them on. Local.
  ///
  /// - Parameter perForwarder: on return, units by that rank.
  func placeArrivals(
    _ arrived: ArrivedRows, perForwarder: inout Partition
  ) throws(MPIError) {
    let node = setting.topology.nodeOfRank[setting.rank]
    perRank.update(repeating: 0)
    for source in 0..<setting.rankCount {
      let forwarder = partners.partner(of: source, on: node)
      arrived.firstUnit[source] = Int(perRank[forwarder])
      perRank[forwarder] += arrived.counts.unitsPerSource[source]
    }
    try perForwarder.setCounts(UnsafeBufferPointer(perRank))
    for source in 0..<setting.rankCount {
      arrived.firstUnit[source] += perForwarder[partners.partner(of: source, on: node)].lowerBound
    }
  }

  /// Adds up the results of every copy over the ranks of the node. Local.
  ///
  /// Shapes: `results` [units, H] in the order of the units, `sums` [copies, H]; both in the format
  /// of the combine wire.
  func addUp(
    _ taken: Partition, from results: UnsafeRawPointer, into sums: UnsafeMutableRawPointer
  ) {
    let type = setting.scheme.combineWire
    RowKernels.weightedSums(
      rows: taken.total, length: setting.hidden, offsets: UnsafePointer(unitOffsets.baseAddress!),
      members: UnsafePointer(units.baseAddress!), weights: nil, from: results, type: type,
      into: sums, type: type)
  }
}
