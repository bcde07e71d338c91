// SPDX-License-Identifier: Apache-2.0
// epsim: how much of the exchanges of a chunked case ran beside its compute.

internal import Timing

extension CaseRecord {
  /// Exchanges that run beside compute: mean over ranks, sum over layers, median over steps.
  public struct Overlap: Codable, Sendable {
    /// From the first message that set off to the last one seen complete, both ways together.
    public var inFlightUs: Double
    /// What of it no compute ran beside: the phases dispatch and combine.
    public var exposedUs: Double
    /// Time saved against the same case in one chunk, as a share of what could be saved at most: the
    /// smaller of its exchanges and its compute. Null where that case was not run beside this one.
    @ExplicitNull public var hiddenShare: Double? = nil

    /// - Precondition: flights are recorded.
    init?(_ timeline: CaseTimeline) {
      guard timeline.layout.hasFlights else { return nil }
      func both(_ time: @escaping (Phase.Exchange, Int, Int) -> Double) -> Double {
        timeline.median { step in
          timeline.mean { rank in
            Phase.Exchange.allCases.reduce(0) { $0 + time($1, rank, step) }
          }
        }
      }
      inFlightUs = both { timeline.flightTime(of: $0, rank: $1, step: $2) }
      exposedUs = both { timeline.time(of: $0.phase, rank: $1, step: $2) }
    }
  }

  /// This record with the hidden share, where the same case in one chunk is among the others.
  ///
  /// The formula of the Intel MPI Benchmarks for non-blocking collectives, (exchange + compute -
  /// overlapped) / min(exchange, compute), with all else that a step does on both sides.
  public func withHiddenShare(among cases: [CaseRecord]) -> CaseRecord {
    guard overlap != nil, let plain = cases.first(where: isChunked) else { return self }
    let most = min(plain.dispatchUs.total + plain.combineUs.total, plain.expertTime.mean)
    guard most > 0 else { return self }
    var record = self
    record.overlap!.hiddenShare = (plain.stepUs.median - stepUs.median) / most
    return record
  }
}
