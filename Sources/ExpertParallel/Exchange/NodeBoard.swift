// SPDX-License-Identifier: Apache-2.0
// epsim: what the ranks of a node tell each other through shared memory.

internal import MPI

/// Notices of the ranks of a node, each written by one rank and read by the others.
///
/// Every exchange has a number that all ranks count alike; a flag holds the number of the last
/// exchange in which its owner got so far, so none is ever reset. An owner writes again only after
/// all readers have said, by a later flag of the exchange before, that they have read.
///
/// While a rank waits it calls `polling`: a rank of another node may wait for a message that MPI
/// has accepted here and not yet sent.
final class NodeBoard {
  /// Number of the exchange under way.
  private(set) var serial: Int64 = 0

  private let memory: SharedMemory
  private let place: Int
  private let positionStart: Int
  private let countStart: Int
  private let announced: [SharedFlag]
  private let placed: [SharedFlag]
  /// [owner][reader]
  private let delivered: [[SharedFlag]]
  private let returned: [[SharedFlag]]

  /// - Parameters:
  ///   - rankCount: R, the ranks of all nodes.
  ///   - slotCount: the most slots of a case, over all ranks.
  init(rankCount: Int, slotCount: Int, on node: borrowing Communicator) throws(MPIError) {
    let places = node.size
    place = node.rank
    positionStart = (2 + 2 * places) * SharedFlag.byteCount
    let positions = rankCount * max(1, slotCount)
    countStart = positionStart + positions * MemoryLayout<Int>.stride
    let counts = slotCount + rankCount * CountExchange.headerCount
    let memory = try SharedMemory(
      byteCount: countStart + counts * MemoryLayout<Int32>.stride, on: node)
    self.memory = memory
    func flags(_ first: Int) -> [SharedFlag] {
      (0..<places).map { owner in
        SharedFlag(in: memory.segment(ofRank: owner), at: first * SharedFlag.byteCount)
      }
    }
    func flagsPerReader(_ first: Int) -> [[SharedFlag]] {
      (0..<places).map { owner in (0..<places).map { flags(first + $0)[owner] } }
    }
    announced = flags(0)
    placed = flags(1)
    delivered = flagsPerReader(2)
    returned = flagsPerReader(2 + places)
  }

  /// Leaves the memory to the end of the process. Local; for a rank that fails alone.
  func abandon() { memory.abandon() }

  /// Begins the next exchange.
  func begin() { serial += 1 }

  /// This rank's counts, to be written before ``announce()``.
  var counts: UnsafeMutablePointer<Int32> { counts(ofPlace: place) }

  /// The counts of a rank of the node, to be read after ``awaitAnnouncement(ofPlace:polling:)``.
  func counts(ofPlace place: Int) -> UnsafeMutablePointer<Int32> {
    (memory.segment(ofRank: place).baseAddress! + countStart).assumingMemoryBound(to: Int32.self)
  }

  /// Where this rank wants what it is sent; to be written before ``publishPlaces()``.
  var positions: UnsafeMutablePointer<Int> { positions(ofPlace: place) }

  /// Where a rank of the node wants what it is sent, to be read after ``awaitPlaces(ofPlace:polling:)``.
  func positions(ofPlace place: Int) -> UnsafeMutablePointer<Int> {
    (memory.segment(ofRank: place).baseAddress! + positionStart)
      .assumingMemoryBound(to: Int.self)
  }

  /// Tells that this rank's counts stand.
  func announce() { announced[place].store(serial) }
  /// Waits until a rank's counts stand.
  func awaitAnnouncement<Failure: Error>(
    ofPlace other: Int, polling: () throws(Failure) -> Void
  ) throws(Failure) {
    try announced[other].wait(until: serial, polling: polling)
  }

  /// Tells that this rank's positions stand and that its buffers may be written.
  func publishPlaces() { placed[place].store(serial) }
  /// Waits until a rank's buffers may be written.
  func awaitPlaces<Failure: Error>(
    ofPlace other: Int, polling: () throws(Failure) -> Void
  ) throws(Failure) {
    try placed[other].wait(until: serial, polling: polling)
  }

  /// Tells a rank that this one has written all that it sends there.
  func deliver(toPlace other: Int) { delivered[place][other].store(serial) }
  /// Waits until a rank has written all that it sends here.
  func awaitDelivery<Failure: Error>(
    fromPlace other: Int, polling: () throws(Failure) -> Void
  ) throws(Failure) {
    try delivered[other][place].wait(until: serial, polling: polling)
  }

  /// Tells a rank that its results stand in its buffer.
  func returnResults(toPlace other: Int) { returned[place][other].store(serial) }
  /// Waits until a rank has written this one's results.
  func awaitResults<Failure: Error>(
    fromPlace other: Int, polling: () throws(Failure) -> Void
  ) throws(Failure) {
    try returned[other][place].wait(until: serial, polling: polling)
  }
}
