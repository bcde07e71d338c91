// SPDX-License-Identifier: Apache-2.0
// epsim: every rank learns how many rows it will receive, and checks it before rows move.

public import MPI
internal import Placement

/// Two ranks that do not agree on an exchange; found before MPI moves rows, which it would do
/// without a word where a receive count is too large, or wait for ever where it is too small.
public struct ExchangeDisagreement: Error, Equatable, Sendable, CustomStringConvertible {
  public let description: String
}

/// What a rank tells another one before rows move, beside the rows for each of its slots.
public struct Announcement: BitwiseCopyable, Sendable, Equatable {
  /// Rows that the other's experts will get.
  public var rows: Int32
  /// Units that will carry them: rows, or copies that stand for several.
  public var units: Int32
  /// Copies that the other will take in for its whole node.
  public var forwarded: Int32
  /// Where in the sender's memory the other's results go, in rows.
  public var firstResult: Int32

  /// Whether there is nothing to tell.
  var isEmpty: Bool { rows == 0 && units == 0 && forwarded == 0 }

  public init(rows: Int32, units: Int32? = nil, forwarded: Int32 = 0, firstResult: Int32 = 0) {
    self.rows = rows
    self.units = units ?? rows
    self.forwarded = forwarded
    self.firstResult = firstResult
  }
}

/// The counts of a dispatch: rows per slot from every rank to every rank, with an announcement.
///
/// To each rank go its slots' counts, and before them the number of the exchange, the layer, and
/// what will follow, which the sender takes from the partition that it will send by. The
/// receiver compares: two independent figures from the sender, and its own place in the run.
///
/// Counts travel to every rank by `MPI_Alltoallv`, or, where asked for and where every rank had few
/// partners in the exchange before, to partners only (``exchangeSparsely(layer:on:)``).
/// Nothing here allocates after `init`.
public final class CountExchange {
  /// [R, S] rows from each source rank for each of this rank's slots, of the last exchange.
  public let receivedPerSlot: UnsafeMutableBufferPointer<Int32>
  /// [R] rows from each source rank.
  public let rowsPerSource: UnsafeMutableBufferPointer<Int32>
  /// [R] units from each source rank.
  public let unitsPerSource: UnsafeMutableBufferPointer<Int32>
  /// [R] copies from each source rank for this rank's node.
  public let forwardedPerSource: UnsafeMutableBufferPointer<Int32>
  /// [R] where each source rank wants its results.
  public let firstResultOfSource: UnsafeMutableBufferPointer<Int32>
  /// Slots of this rank.
  public let localSlotCount: Int
  /// R, the ranks that may send.
  public var sourceCount: Int { slotOffsets.count - 1 }

  static let headerCount = 7
  private let slotOffsets: [Int]
  let sendPartition: Partition
  let receivePartition: Partition
  let sent: UnsafeMutableBufferPointer<Int32>
  let received: UnsafeMutableBufferPointer<Int32>
  let rank: Int
  /// Number of the exchange that is announced.
  private(set) var serial: Int32 = 0
  /// What counts to partners only need; nil where they always travel to every rank.
  let sparse: SparseCounts?
  /// Tells the messages of several exchanges of counts apart, which ranks use in turn.
  let channel: Int
  /// Ranks that this one has something for.
  private(set) var partnerCount: Int32 = 0
  /// The most partners of any rank in the exchange before; unknown at first.
  var largestPartnerCount: Int32?

  /// - Parameters:
  ///   - slotOffsets: [R + 1] slots of rank r are `slotOffsets[r] ..< slotOffsets[r + 1]`.
  ///   - rank: this rank.
  ///   - fewestRanks: ranks from which on counts travel to partners only, where these are few; nil
  ///     for never.
  ///   - channel: another one for each that the same ranks use in turn.
  public init(slotOffsets: [Int], rank: Int, sparseFrom fewestRanks: Int? = nil, channel: Int = 0)
    throws(MPIError)
  {
    let ranks = slotOffsets.count - 1
    self.slotOffsets = slotOffsets
    self.rank = rank
    self.channel = channel
    sparse = (fewestRanks ?? .max) <= ranks ? SparseCounts(rankCount: ranks) : nil
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
    unitsPerSource = .zeroed(ranks)
    forwardedPerSource = .zeroed(ranks)
    firstResultOfSource = .zeroed(ranks)
  }

  deinit {
    for buffer in [
      sent, received, receivedPerSlot, rowsPerSource, unitsPerSource, forwardedPerSource,
      firstResultOfSource,
    ] {
      buffer.deallocate()
    }
  }

  /// Tells every rank what it will receive from this one. Collective.
  ///
  /// Shapes: `rowsPerSlot` [P]; `announce` gives what each rank is told beside them.
  /// - Throws: ``ExchangeDisagreement`` on the rank that notices; the job cannot go on.
  public func exchange(
    rowsPerSlot: UnsafeBufferPointer<Int32>, layer: Int, on comm: borrowing Communicator,
    announce: (_ peer: Int) -> Announcement
  ) throws {
    write(rowsPerSlot: rowsPerSlot, layer: layer, announce: announce)
    if isSparse { return try exchangeSparsely(layer: layer, on: comm) }
    try comm.allToAllV(UnsafeBufferPointer(sent), sendPartition, into: received, receivePartition)
    var largest: Int32 = 0
    for source in rowsPerSource.indices {
      try read(source, layer: layer)
      largest = max(largest, received[receivePartition[source].lowerBound + 6])
    }
    largestPartnerCount = largest
  }

  /// Writes what every rank will be told, and moves on to the next exchange. Local.
  func write(
    rowsPerSlot: UnsafeBufferPointer<Int32>, layer: Int, announce: (_ peer: Int) -> Announcement
  ) {
    serial &+= 1
    var next = 0
    partnerCount = 0
    for peer in rowsPerSource.indices {
      let announcement = announce(peer)
      if peer != rank && !announcement.isEmpty { partnerCount += 1 }
      sent[next] = serial
      sent[next + 1] = Int32(truncatingIfNeeded: layer)
      sent[next + 2] = announcement.rows
      sent[next + 3] = announcement.units
      sent[next + 4] = announcement.forwarded
      sent[next + 5] = announcement.firstResult
      next += Self.headerCount
      for slot in slotOffsets[peer]..<slotOffsets[peer + 1] {
        sent[next] = rowsPerSlot[slot]
        next += 1
      }
    }
    // Known only now.
    for peer in rowsPerSource.indices {
      sent[sendPartition[peer].lowerBound + 6] = partnerCount
    }
  }

  /// Takes over what one source told.
  func read(_ source: Int, layer: Int) throws(ExchangeDisagreement) {
    let first = receivePartition[source].lowerBound
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
    unitsPerSource[source] = received[first + 3]
    forwardedPerSource[source] = received[first + 4]
    firstResultOfSource[source] = received[first + 5]
  }
}
