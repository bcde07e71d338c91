// SPDX-License-Identifier: Apache-2.0
// epsim: every rank learns how many rows it will receive, and checks it before rows move.

public import MPI
internal import Placement

/// Two ranks that do not agree on an exchange; found before MPI moves rows, which it would do
/// without a word where a receive count is too large, or wait for ever where it is too small.
public struct ExchangeDisagreement: Error, Equatable, Sendable, CustomStringConvertible {
  public let description: String
}

/// The counts of a dispatch: rows per slot from every rank to every rank, with an announcement.
///
/// To each rank go its slots' counts, and before them the number of the exchange, the layer, and
/// the rows that will follow, which the sender takes from the partition that it will send by. The
/// receiver compares: two independent figures from the sender, and its own place in the run.
/// Nothing here allocates after `init`.
public final class CountExchange {
  /// [R, S] rows from each source rank for each of this rank's slots, of the last exchange.
  public let receivedPerSlot: UnsafeMutableBufferPointer<Int32>
  /// [R] rows from each source rank.
  public let rowsPerSource: UnsafeMutableBufferPointer<Int32>
  /// Slots of this rank.
  public let localSlotCount: Int

  private static let headerCount = 3
  private let slotOffsets: [Int]
  private let sendPartition: Partition
  private let receivePartition: Partition
  private let sent: UnsafeMutableBufferPointer<Int32>
  private let received: UnsafeMutableBufferPointer<Int32>
  private let rank: Int
  private var serial: Int32 = 0

  /// - Parameters:
  ///   - slotOffsets: [R + 1] slots of rank r are `slotOffsets[r] ..< slotOffsets[r + 1]`.
  ///   - rank: this rank.
  public init(slotOffsets: [Int], rank: Int) throws(MPIError) {
    let ranks = slotOffsets.count - 1
    self.slotOffsets = slotOffsets
    self.rank = rank
    let localSlots = slotOffsets[rank + 1] - slotOffsets[rank]
    localSlotCount = localSlots
    sendPartition = try Partition(
      counts: (0..<ranks).map { slotOffsets[$0 + 1] - slotOffsets[$0] + Self.headerCount })
    receivePartition = try Partition(
      counts: Array(repeating: localSlots + Self.headerCount, count: ranks))
    sent = .zeroed(sendPartition.total)
    received = .zeroed(receivePartition.total)
    receivedPerSlot = .zeroed(ranks * localSlots)
    rowsPerSource = .zeroed(ranks)
  }

  deinit {
    for buffer in [sent, received, receivedPerSlot, rowsPerSource] { buffer.deallocate() }
  }

  /// Tells every rank what it will receive from this one. Collective.
  ///
  /// Shapes: `rowsPerSlot` [P], `rowsPerRank` [R], both of this rank.
  /// - Throws: ``ExchangeDisagreement`` on the rank that notices; the job cannot go on.
  public func exchange(
    rowsPerSlot: UnsafeBufferPointer<Int32>, rowsPerRank: [Int32], layer: Int,
    on comm: borrowing Communicator
  ) throws {
    serial &+= 1
    var next = 0
    for peer in rowsPerRank.indices {
      sent[next] = serial
      sent[next + 1] = Int32(truncatingIfNeeded: layer)
      sent[next + 2] = rowsPerRank[peer]
      next += Self.headerCount
      for slot in slotOffsets[peer]..<slotOffsets[peer + 1] {
        sent[next] = rowsPerSlot[slot]
        next += 1
      }
    }
    try comm.allToAllV(UnsafeBufferPointer(sent), sendPartition, into: received, receivePartition)
    for source in rowsPerSource.indices { try read(source, layer: layer) }
  }

  /// Takes over the counts of one source.
  private func read(_ source: Int, layer: Int) throws(ExchangeDisagreement) {
    let first = source * (localSlotCount + Self.headerCount)
    let (theirSerial, theirLayer) = (received[first], received[first + 1])
    guard theirSerial == serial, theirLayer == Int32(truncatingIfNeeded: layer) else {
      throw ExchangeDisagreement(
        description: "rank \(source) is in exchange \(theirSerial), layer \(theirLayer), while "
          + "rank \(rank) is in exchange \(serial), layer \(layer)")
    }
    var rows: Int64 = 0
    for slot in 0..<localSlotCount {
      let count = received[first + Self.headerCount + slot]
      guard count >= 0 else {
        throw ExchangeDisagreement(
          description: "rank \(source) announces \(count) rows for a slot of rank \(rank)")
      }
      receivedPerSlot[source * localSlotCount + slot] = count
      rows += Int64(count)
    }
    let announced = received[first + 2]
    guard rows == Int64(announced) else {
      throw ExchangeDisagreement(
        description: "rank \(source) is about to send \(announced) rows to rank \(rank), which "
          + "expects \(rows) by the counts of its slots (exchange \(serial), layer \(layer))")
    }
    rowsPerSource[source] = announced
  }
}
