// SPDX-License-Identifier: Apache-2.0
// epsim: the rows that reached a rank, brought together by expert, and the results that return.

internal import Kernels

/// The expert side of an exchange: blocks of rows from every source, their rows by slot, and the
/// results in the order in which their sources expect them.
///
/// Rows are grouped by (slot, source); within both they keep the source's order of tokens. Results
/// are ordered by (source, slot) where one returns per assignment, by (source, unit) where they are
/// summed. Nothing here allocates after `init`.
final class ArrivedRows {
  /// What every source announced.
  let counts: CountExchange
  /// [S + 1] first grouped row of each local slot.
  let firstRowOfSlot: UnsafeMutableBufferPointer<Int>
  /// [R, S] grouped row of the first row of each source for each slot.
  let firstRowOfBlock: UnsafeMutableBufferPointer<Int>
  /// [R] place of each source's block among the arrived units.
  let firstUnit: UnsafeMutableBufferPointer<Int>

  /// Rows over all sources and slots.
  var rowCount: Int { firstRowOfSlot[slotCount] }

  private let slotCount: Int
  private let firstSlot: Int
  private let hidden: Int
  private let scheme: ExchangeScheme
  private let elementType: ElementType
  private let unitBytes: Int
  private let entriesPerCopy: Int
  /// Unit within its block of every row, by (source, slot); the numbers from 0 where units are rows.
  private let unitOfRow: UnsafeMutableBufferPointer<Int32>
  /// [R] first row of each source in ``unitOfRow``.
  private let firstOfSource: UnsafeMutableBufferPointer<Int>
  /// Which grouped rows make up the sum of each unit, and their weights; by (source, unit).
  private let sumOffsets: UnsafeMutableBufferPointer<Int32>
  private let sumMembers: UnsafeMutableBufferPointer<Int32>
  private let sumWeights: UnsafeMutableBufferPointer<Float>
  private let firstSum: UnsafeMutableBufferPointer<Int>
  private let nextOfSlot: UnsafeMutableBufferPointer<Int>
  private let rowsOfSlot: UnsafeMutableBufferPointer<Int>

  /// - Parameters:
  ///   - entriesPerCopy: experts behind each copy; nil where every assignment has a row of its own.
  ///   - rowCapacity: the most rows of a step, over all sources.
  ///   - unitCapacity: the most units of a step, over all sources.
  init(
    _ counts: CountExchange, firstSlot: Int, scheme: ExchangeScheme, hidden: Int,
    elementType: ElementType, unitBytes: Int, entriesPerCopy: Int?, rowCapacity: Int,
    unitCapacity: Int
  ) {
    self.counts = counts
    self.firstSlot = firstSlot
    self.scheme = scheme
    self.hidden = hidden
    self.elementType = elementType
    self.unitBytes = unitBytes
    self.entriesPerCopy = entriesPerCopy ?? 0
    slotCount = counts.localSlotCount
    let sources = counts.sourceCount
    firstRowOfSlot = .zeroed(slotCount + 1)
    firstRowOfBlock = .zeroed(sources * slotCount)
    firstUnit = .zeroed(sources)
    firstOfSource = .zeroed(sources)
    unitOfRow = .zeroed(rowCapacity)
    for row in unitOfRow.indices { unitOfRow[row] = Int32(truncatingIfNeeded: row) }
    let sums = scheme.returnsSums
    firstSum = .zeroed(sources)
    sumOffsets = .zeroed(sums ? unitCapacity + 1 : 0)
    sumMembers = .zeroed(sums ? rowCapacity : 0)
    sumWeights = .zeroed(sums ? rowCapacity : 0)
    nextOfSlot = .zeroed(slotCount)
    rowsOfSlot = .zeroed(slotCount)
  }

  deinit {
    for buffer in [
      firstRowOfSlot, firstRowOfBlock, firstUnit, firstOfSource, firstSum, nextOfSlot,
      rowsOfSlot,
    ] {
      buffer.deallocate()
    }
    for buffer in [unitOfRow, sumOffsets, sumMembers] { buffer.deallocate() }
    sumWeights.deallocate()
  }

  /// Gives every announced row its place among the grouped rows. Local.
  func place() {
    let sources = counts.sourceCount
    var row = 0
    for slot in 0..<slotCount {
      firstRowOfSlot[slot] = row
      for source in 0..<sources {
        firstRowOfBlock[source * slotCount + slot] = row
        row += Int(counts.receivedPerSlot[source * slotCount + slot])
      }
    }
    firstRowOfSlot[slotCount] = row
    var (first, unit) = (0, 0)
    for source in 0..<sources {
      firstOfSource[source] = first
      firstSum[source] = unit
      first += Int(counts.rowsPerSource[source])
      unit += Int(counts.unitsPerSource[source])
    }
  }

  /// Brings arrived rows to their experts, in compute format. Local.
  ///
  /// - Parameters:
  ///   - arrived: the units, each source's block at its ``firstUnit``.
  ///   - grouped: [rowCount, H]
  ///   - isArrived: which sources have a block there.
  /// - Throws: ``ExchangeDisagreement`` where copies and counts of a source differ.
  func group(
    from arrived: UnsafeRawPointer, into grouped: UnsafeMutableRawPointer,
    where isArrived: (_ source: Int) -> Bool = { _ in true }
  ) throws(ExchangeDisagreement) {
    try index(arrived)
    for source in 0..<counts.sourceCount where isArrived(source) {
      group(source: source, from: arrived, into: grouped)
    }
  }

  /// Reads which experts each arrived copy is for. Local; nothing where units are rows.
  ///
  /// - Parameter arrived: the units, each source's block at its ``firstUnit``.
  /// - Throws: ``ExchangeDisagreement`` where copies and counts of a source differ.
  private func index(_ arrived: UnsafeRawPointer) throws(ExchangeDisagreement) {
    guard entriesPerCopy > 0 else { return }
    var member = 0
    for source in 0..<counts.sourceCount {
      let units = Int(counts.unitsPerSource[source])
      var next = firstOfSource[source]
      for slot in 0..<slotCount {
        nextOfSlot[slot] = next
        rowsOfSlot[slot] = 0
        next += Int(counts.receivedPerSlot[source * slotCount + slot])
      }
      let entries =
        arrived + firstUnit[source] * unitBytes + units * scheme.wire.rowBytes(length: hidden)
      for unit in 0..<units {
        if scheme.returnsSums { sumOffsets[firstSum[source] + unit] = Int32(member) }
        for position in unit * entriesPerCopy..<(unit + 1) * entriesPerCopy {
          let entry = entries.loadUnaligned(
            fromByteOffset: position * MemoryLayout<CopyEntry>.stride, as: CopyEntry.self)
          let slot = Int(entry.slot) - firstSlot
          guard entry.slot >= 0, slot >= 0, slot < slotCount else { continue }
          let row = rowsOfSlot[slot]
          guard row < counts.receivedPerSlot[source * slotCount + slot] else {
            throw disagreement(source)
          }
          rowsOfSlot[slot] = row + 1
          unitOfRow[nextOfSlot[slot] + row] = Int32(truncatingIfNeeded: unit)
          guard scheme.returnsSums else { continue }
          sumMembers[member] = Int32(firstRowOfBlock[source * slotCount + slot] + row)
          sumWeights[member] = entry.weight
          member += 1
        }
      }
      for slot in 0..<slotCount
      where rowsOfSlot[slot] != counts.receivedPerSlot[source * slotCount + slot] {
        throw disagreement(source)
      }
    }
    if scheme.returnsSums {
      let last = counts.sourceCount - 1
      sumOffsets[firstSum[last] + Int(counts.unitsPerSource[last])] = Int32(member)
    }
  }

  private func disagreement(_ source: Int) -> ExchangeDisagreement {
    ExchangeDisagreement(
      description: "the copies of rank \(source) name other experts than its counts say")
  }

  /// Brings the rows of a source to their experts.
  private func group(
    source: Int, from arrived: UnsafeRawPointer, into grouped: UnsafeMutableRawPointer
  ) {
    let block = arrived + firstUnit[source] * unitBytes
    // Where units are rows their numbers count from the source's first.
    var row = entriesPerCopy > 0 ? firstOfSource[source] : 0
    for slot in 0..<slotCount {
      let count = Int(counts.receivedPerSlot[source * slotCount + slot])
      guard count > 0 else { continue }
      let target = firstRowOfBlock[source * slotCount + slot] * hidden * elementType.byteCount
      RowKernels.decode(
        rows: count, length: hidden, indices: UnsafePointer(unitOfRow.baseAddress! + row),
        from: block, wire: scheme.wire, into: grouped + target, type: elementType)
      row += count
    }
  }

  /// Rows that return to each source.
  var resultsPerSource: UnsafeMutableBufferPointer<Int32> {
    scheme.returnsSums ? counts.unitsPerSource : counts.rowsPerSource
  }

  /// Writes the results for a source, in the format of the combine wire. Local.
  ///
  /// Shapes: `output` [rowCount, H] by slot, `results` [resultsPerSource[source], H].
  func writeResults(
    of source: Int, from output: UnsafePointer<Float>, into results: UnsafeMutableRawPointer,
    by writer: RowWriter = .direct
  ) {
    let type = scheme.combineWire
    let rowBytes = hidden * type.byteCount
    if scheme.returnsSums {
      let units = Int(counts.unitsPerSource[source])
      writer.write(rows: units, rowBytes: rowBytes, into: results) { range, place in
        RowKernels.weightedSums(
          rows: range.count, length: hidden,
          offsets: UnsafePointer(sumOffsets.baseAddress! + firstSum[source] + range.lowerBound),
          members: UnsafePointer(sumMembers.baseAddress!),
          weights: UnsafePointer(sumWeights.baseAddress!), from: output, type: .f32, into: place,
          type: type)
      }
      return
    }
    var target = results
    for slot in 0..<slotCount {
      let count = Int(counts.receivedPerSlot[source * slotCount + slot])
      guard count > 0 else { continue }
      let first = output + firstRowOfBlock[source * slotCount + slot] * hidden
      if type == .f32 {
        writer.write(byteCount: count * rowBytes, from: first, into: target)
      } else {
        writer.write(rows: count, rowBytes: rowBytes, into: target) { range, place in
          RowKernels.convert(
            count: range.count * hidden, from: first + range.lowerBound * hidden, type: .f32,
            into: place, type: type)
        }
      }
      target += count * rowBytes
    }
  }
}
