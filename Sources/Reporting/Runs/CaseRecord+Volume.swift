// SPDX-License-Identifier: Apache-2.0
// epsim: from what left its rank to the bytes and bandwidths of a record.

internal import CostModel

/// What an exchange moved, mean per step over all ranks.
struct MeanVolume {
  private let volumes: [ExchangeVolume]

  /// - Precondition: one per step, at least one.
  init(_ volumes: [ExchangeVolume]) { self.volumes = volumes }

  /// One figure both ways.
  func mean(_ figure: (ExchangeVolume.Way) -> Int) -> CaseRecord.BothWays {
    // Sums of many steps of a large machine may exceed an Int.
    func mean(_ way: KeyPath<ExchangeVolume, ExchangeVolume.Way>) -> Double {
      volumes.reduce(0.0) { $0 + Double(figure($1[keyPath: way])) } / Double(volumes.count)
    }
    return CaseRecord.BothWays(dispatch: mean(\.dispatch), combine: mean(\.combine))
  }
}

extension CaseRecord {
  /// Bytes that left their rank or node: rows, what travels with them, padding. MPI's own headers
  /// are not in them.
  public struct WireBytes: Codable, Sendable {
    public var offRank: BothWays
    public var offNode: BothWays

    init(_ volume: MeanVolume) {
      offRank = volume.mean(\.bytes)
      offNode = volume.mean(\.offNodeBytes)
    }
  }

  /// Bytes of rows both ways over the time of both exchanges, all ranks together, GB/s.
  public struct Bandwidth: Codable, Sendable {
    public var logical: Double
    public var offRank: Double
    public var offNode: Double

    /// - Parameter time: dispatch and combine, mean over ranks, microseconds.
    init(_ bytes: Bytes, time: Double) {
      func rate(_ bytes: BothWays) -> Double { time > 0 ? bytes.both / time / 1000 : 0 }
      logical = rate(bytes.logical)
      offRank = rate(bytes.offRank)
      offNode = rate(bytes.offNode)
    }
  }
}
