// SPDX-License-Identifier: Apache-2.0
// epsim: known delays that a case injects, so that what is measured can be held against them.

internal import MoE
internal import Timing

/// What a case adds to the time of its ranks.
public struct Disturbance: Sendable, Equatable {
  /// Microseconds that a rank is busy in every layer before it packs, asleep where its experts are
  /// stand-ins; booked as pack.
  public struct Delay: Sendable, Equatable {
    public let rank: Int
    public let microseconds: Double

    public init(rank: Int, microseconds: Double) {
      self.rank = rank
      self.microseconds = microseconds
    }
  }

  /// A rank whose experts take `factor` times as long; booked as expert.
  public struct Slowdown: Sendable, Equatable {
    public let rank: Int
    public let factor: Double

    public init(rank: Int, factor: Double) {
      self.rank = rank
      self.factor = factor
    }
  }

  public var delay: Delay?
  public var slowdown: Slowdown?
  /// Every rank is busy for a uniform random time up to this before it packs, drawn anew for every
  /// layer and step; microseconds.
  public var jitterMicroseconds: Double

  public init(delay: Delay? = nil, slowdown: Slowdown? = nil, jitterMicroseconds: Double = 0) {
    self.delay = delay
    self.slowdown = slowdown
    self.jitterMicroseconds = jitterMicroseconds
  }

  /// Nothing is added.
  public static let none = Disturbance()

  /// Ranks that are disturbed for themselves and so not like the others.
  public var ranks: Set<Int> { Set([delay?.rank, slowdown?.rank].compactMap { $0 }) }

  /// The factor on the expert time of a rank.
  func expertFactor(rank: Int) -> Double { slowdown?.rank == rank ? slowdown!.factor : 1 }

  /// How long a rank is busy before it packs, nanoseconds.
  ///
  /// - Parameter draw: the stream of the rank's draws, in which `index` numbers layers and steps.
  func delayBeforePack(rank: Int, draw: CounterRandom, index: UInt64) -> Int64 {
    var microseconds = delay?.rank == rank ? delay!.microseconds : 0
    if jitterMicroseconds > 0 {
      microseconds += jitterMicroseconds * draw.unit(at: index)
    }
    return Int64(microseconds * 1000)
  }
}
