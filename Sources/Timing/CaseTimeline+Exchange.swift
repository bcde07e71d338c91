// SPDX-License-Identifier: Apache-2.0
// epsim: exchanges of a step, summed over its layers.

/// The exchanges of one rank in one step, summed over layers; microseconds.
public struct ExchangeTimes: Sendable, Equatable {
  public var wait = 0.0
  public var transfer = 0.0
  public var selfCopy = 0.0
  /// Cost of the barriers of barrier timing.
  public var barrier = 0.0
  /// Bound on what may be booked as wait instead of transfer or the other way round.
  public var error = 0.0
  public var total: Double { wait + transfer + selfCopy + barrier }

  mutating func add(_ split: ExchangeSplit) {
    wait += Double(split.wait) / 1000
    transfer += Double(split.transfer) / 1000
    selfCopy += Double(split.selfCopy) / 1000
    barrier += Double(split.barrier) / 1000
    error += Double(split.error) / 1000
  }
}

extension CaseTimeline {
  /// One kind of exchange of every rank, summed over the layers of one step. Shape: [R].
  public func times(of exchange: Phase.Exchange, step: Int) -> [ExchangeTimes] {
    var sums = Array(repeating: ExchangeTimes(), count: rankCount)
    for layer in 0..<layout.layerCount {
      let stamps = stamps(of: exchange, layer: layer, step: step)
      for (rank, split) in ExchangeSplit.split(stamps, timing: timing).enumerated() {
        sums[rank].add(split)
      }
    }
    return sums
  }

  /// How far apart the ranks left the barriers of barrier timing: the largest of a step,
  /// microseconds; 0 without barriers.
  public func barrierExitSkew(step: Int) -> Double {
    guard case .barrier = timing else { return 0 }
    var largest: Int64 = 0
    for layer in 0..<layout.layerCount {
      for exchange in Phase.Exchange.allCases {
        let stamps = stamps(of: exchange, layer: layer, step: step)
        largest = max(largest, ExchangeSplit.barrierExitSkew(stamps))
      }
    }
    return Double(largest) / 1000
  }
}
