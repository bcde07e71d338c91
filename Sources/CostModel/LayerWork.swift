// SPDX-License-Identifier: Apache-2.0
// epsim: what a layer asks of every rank.

/// A layer as ``LayerRecursion`` sees it: times of what ranks do alone, and two exchanges.
public struct LayerWork: Sendable {
  /// What ranks do alone, for all chunks together; waits and transfers in it are not read.
  public var local: RankTimes
  /// To the experts; the time of one chunk that holds all.
  public var dispatch: ExchangeTime
  /// Back from them.
  public var combine: ExchangeTime
  public var dispatchSenders: Senders
  public var combineSenders: Senders
  /// Parts in which tokens travel, each under the compute of others; 1 for one after the other.
  public var chunks: Int
  /// What is left of the bandwidth of an exchange that runs under compute, above 0 up to 1.
  public var overlapFactor: Double

  /// Nothing to do.
  public init(rankCount: Int) {
    local = RankTimes(rankCount: rankCount)
    dispatch = ExchangeTime(rankCount: rankCount)
    combine = dispatch
    (dispatchSenders, combineSenders) = (.everyone, .everyone)
    (chunks, overlapFactor) = (1, 1)
  }

  /// R.
  public var rankCount: Int { local.rankCount }
}
