// SPDX-License-Identifier: Apache-2.0
// epsim: bytes between pairs of ranks, as files that other tools read.

internal import CostModel
internal import Foundation
internal import MoE
internal import Placement

/// Bytes from every rank to every rank.
public struct ByteMatrix: Sendable {
  public let rankCount: Int
  /// [R, R] bytes, row = source, column = destination.
  public private(set) var bytes: [Double]

  public init(rankCount: Int) {
    self.rankCount = rankCount
    bytes = Array(repeating: 0, count: rankCount * rankCount)
  }

  /// Adds what a layer sends to the experts, and what returns.
  ///
  /// With one copy per node the rows that its ranks need are counted at their destinations: what is
  /// asked for, not which rank passes it on.
  public mutating func add(_ demand: LayerDemand, of projected: ProjectedCase) {
    let traffic = demand.traffic
    let there = projected.dedup == .none ? traffic.raw : traffic.rankDedup
    let back = projected.combine == .preReduced ? there : traffic.raw
    for source in 0..<rankCount {
      for destination in 0..<rankCount {
        bytes[source * rankCount + destination] +=
          Double(there[source, destination]) * projected.dispatchBytes.value
          + Double(back[destination, source]) * projected.combineBytes.value
      }
    }
  }

  /// A file by the ending of its name.
  ///
  /// - Throws: ``InputError`` for an ending other than .npy and .csv.
  public func encoded(forPath path: String) throws -> [UInt8] {
    if path.hasSuffix(".npy") { return npy }
    if path.hasSuffix(".csv") { return Array(csv.utf8) }
    throw InputError("--matrix \(path), accepted are files that end with .npy or .csv")
  }

  /// NumPy's format 1.0: Float64, little-endian, C order.
  /// Source: NumPy Enhancement Proposal 1.
  private var npy: [UInt8] {
    var header =
      "{'descr': '<f8', 'fortran_order': False, 'shape': (\(rankCount), \(rankCount)), }"
    // The data starts at a multiple of 64; the header ends with a line break.
    let length = 10 + header.utf8.count + 1
    header += String(repeating: " ", count: (64 - length % 64) % 64) + "\n"
    let count = UInt16(header.utf8.count)
    var file: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
    file += [UInt8(count & 0xFF), UInt8(count >> 8)] + Array(header.utf8)
    file.reserveCapacity(file.count + 8 * bytes.count)
    for value in bytes {
      withUnsafeBytes(of: value.bitPattern.littleEndian) { file.append(contentsOf: $0) }
    }
    return file
  }

  /// A line per source, without a heading.
  private var csv: String {
    (0..<rankCount).map { source in
      bytes[source * rankCount..<(source + 1) * rankCount].map { String(format: "%.0f", $0) }
        .joined(separator: ",")
    }.joined(separator: "\n") + "\n"
  }
}
