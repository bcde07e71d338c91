// SPDX-License-Identifier: Apache-2.0
// epsim: how fast a placement grows old, and how much moves when it is fitted again.

/// A placement fitted to each of several windows, scored on later ones.
public struct PlacementDrift: Sendable, Equatable, Codable {
  /// What fits made so many windows earlier score.
  public struct Lag: Sendable, Equatable, Codable {
    public let windows: Int
    /// Mean score of a fit, on the window that lies so many windows later.
    public let score: Double
    /// The same over the score of fits made on these later windows themselves; 1 is no loss.
    public let overOwnFit: Double
  }

  /// For 1, 2, 4, ... windows, as far as there are any.
  public let lags: [Lag]
  /// Mean over consecutive windows of slots that move when the placement is fitted again, after the
  /// ranks were relabelled as the caller does.
  public let movedSlots: Double
  /// The same as a share of all slots.
  public let movedShare: Double
  /// Mean similarity of consecutive placements, see ``ExpertPlacement/similarity(to:)``.
  public let similarity: Double

  /// Scores every fit on its own and on later windows.
  ///
  /// - Parameters:
  ///   - fits: a placement for each window, in order of time; of equal layers and ranks.
  ///   - score: what a placement scores on a window: less is better, above 0.
  /// - Precondition: at least two windows.
  public init(
    fits: [ExpertPlacement], score: (_ placement: ExpertPlacement, _ window: Int) throws -> Double
  ) rethrows {
    precondition(fits.count >= 2, "drift over \(fits.count) windows")
    let own = try fits.indices.map { try score(fits[$0], $0) }
    var lags: [Lag] = []
    var distance = 1
    while distance < fits.count {
      let later = fits.indices.dropFirst(distance)
      var (sum, ownSum) = (0.0, 0.0)
      for window in later {
        sum += try score(fits[window - distance], window)
        ownSum += own[window]
      }
      lags.append(
        Lag(
          windows: distance, score: sum / Double(later.count),
          overOwnFit: ownSum > 0 ? sum / ownSum : 1))
      distance *= 2
    }
    self.lags = lags
    let pairs = zip(fits, fits.dropFirst())
    let count = Double(fits.count - 1)
    movedSlots = pairs.reduce(0) { $0 + Double($1.1.movedSlots(from: $1.0)) } / count
    similarity = pairs.reduce(0) { $0 + $1.1.similarity(to: $1.0) } / count
    movedShare = movedSlots / Double(fits[0].slotCount * fits[0].layers.count)
  }
}
