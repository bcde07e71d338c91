// SPDX-License-Identifier: Apache-2.0
// epsim: which part of a buffer belongs to which peer.

/// Which part of a buffer belongs to which peer: counts and displacements, in elements or rows.
///
/// Parts lie in rank order without gaps. The storage is that of MPI (Int32) and is reused:
/// ``setCounts(_:)-(UnsafeBufferPointer<Int32>)`` allocates nothing.
public struct Partition: Equatable, Sendable {
  /// [peers] elements of each part.
  public private(set) var counts: [Int32]
  /// [peers] first element of each part: the exclusive prefix sum of ``counts``, unless a part was
  /// left out.
  public private(set) var displacements: [Int32]
  /// Elements of all parts.
  public private(set) var total: Int

  /// Number of parts: the size of the communicator it is used with.
  public var peerCount: Int { counts.count }

  /// The elements that belong to `peer`.
  public subscript(peer: Int) -> Range<Int> {
    let start = Int(displacements[peer])
    return start..<start + Int(counts[peer])
  }

  /// Empty parts.
  public init(peerCount: Int) {
    counts = Array(repeating: 0, count: peerCount)
    displacements = counts
    total = 0
  }

  /// Parts with the given counts.
  /// - Throws: an error with ``MPIError/isCountOverflow`` where a count is negative or the parts
  ///   reach past element 2^31 - 1.
  public init(counts: [Int]) throws(MPIError) {
    self.init(peerCount: counts.count)
    try setCounts(counts)
  }

  /// Replaces the counts.
  /// - Throws: as ``init(counts:)``; the partition is then unspecified.
  /// - Precondition: one count per peer.
  public mutating func setCounts(_ counts: [Int]) throws(MPIError) {
    precondition(counts.count == peerCount, "\(counts.count) counts for \(peerCount) peers")
    for peer in counts.indices { self.counts[peer] = try narrow("Partition", counts[peer]) }
    try updateDisplacements()
  }

  /// Replaces the counts without allocating. Errors as for arrays.
  public mutating func setCounts(_ counts: UnsafeBufferPointer<Int32>) throws(MPIError) {
    precondition(counts.count == peerCount, "\(counts.count) counts for \(peerCount) peers")
    for peer in counts.indices { self.counts[peer] = counts[peer] }
    try updateDisplacements()
  }

  /// Takes the parts of another partition, where they lie, with an empty part for `peer`.
  ///
  /// Allocates nothing. ``total`` stays that of the other: the parts reach as far.
  /// - Precondition: as many peers.
  public mutating func copyParts(of other: Partition, leavingOut peer: Int) {
    copyParts(of: other) { $0 != peer }
  }

  /// Takes the parts of some peers of another partition, where they lie; the rest are empty.
  ///
  /// As ``copyParts(of:leavingOut:)``.
  public mutating func copyParts(of other: Partition, keeping isKept: (_ peer: Int) -> Bool) {
    precondition(
      other.peerCount == peerCount, "parts for \(other.peerCount) peers into \(peerCount)")
    for index in counts.indices {
      counts[index] = isKept(index) ? other.counts[index] : 0
      displacements[index] = other.displacements[index]
    }
    total = other.total
  }

  /// Lets `body` write the counts in place, without allocating. Errors as for arrays.
  mutating func writeCounts(
    _ body: (UnsafeMutablePointer<Int32>?) throws(MPIError) -> Void
  ) throws(MPIError) {
    try counts.withUnsafeMutableBufferPointer { counts throws(MPIError) in
      try body(counts.baseAddress)
    }
    try updateDisplacements()
  }

  private mutating func updateDisplacements() throws(MPIError) {
    var next = 0
    for peer in counts.indices {
      guard counts[peer] >= 0 else {
        throw MPIError(function: "Partition", countOverflow: Int(counts[peer]))
      }
      displacements[peer] = Int32(next)
      next += Int(counts[peer])
      guard next <= Int(Int32.max) else {
        throw MPIError(function: "Partition", countOverflow: next)
      }
    }
    total = next
  }
}
