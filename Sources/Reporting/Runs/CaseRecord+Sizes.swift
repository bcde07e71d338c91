// SPDX-License-Identifier: Apache-2.0
// epsim: what a case takes at each size of a step.

internal import CostModel
internal import Placement
public import Timing

extension CaseRecord {
  /// The steps of one size: what an exchange costs at so many rows.
  public struct SizeFigures: Codable, Sendable {
    /// Tokens of the step over all ranks.
    public var tokens: Int
    /// Assignments / (layers * R * R), mean over steps.
    public var rowsPerPeer: Double
    public var stepUs: Samples
    /// An exchange both ways with all that it asks for (pack, dispatch, group, ungroup, combine,
    /// reduce): the slowest rank of each step, mean over layers.
    public var exchangeUs: Samples
    /// `exchangeUs` against the first case's, step by step; null for the first.
    @ExplicitNull public var ratioToFirst: Ratio? = nil
    public var bytes: Bytes
    public var wireBytes: WireBytes
    public var messages: BothWays
    /// Bytes of a step and layer over `exchangeUs`, all ranks together.
    public var gbPerS: Bandwidth
  }

  /// The figures of every size that a case has steps of; nil where steps have one size.
  ///
  /// - Parameters:
  ///   - stepTokens: tokens of each size, in the order of the figures.
  ///   - base: the first case on the same steps; nil for the first itself.
  public static func sizes(
    _ measurement: CaseMeasurement, stepTokens: [Int], base: CaseTimeline?
  ) -> [SizeFigures]? {
    guard stepTokens.count > 1 else { return nil }
    // The counters know the size of a step, whichever launch ran it.
    let sizeOfStep = measurement.traffic.map { $0.layer(0).tokens }
    return stepTokens.compactMap { tokens in
      let steps = sizeOfStep.indices.filter { sizeOfStep[$0] == tokens }
      return steps.isEmpty
        ? nil : SizeFigures(measurement, tokens: tokens, steps: steps, base: base)
    }
  }
}

extension CaseRecord.SizeFigures {
  /// - Precondition: there is at least one step.
  fileprivate init(
    _ measurement: CaseMeasurement, tokens: Int, steps: [Int], base: CaseTimeline?
  ) {
    let timeline = measurement.timeline
    let traffic = steps.map { measurement.traffic[$0] }
    let total = traffic.dropFirst().reduce(into: traffic[0], +=).total
    let perStep = { (count: Int) in Double(count) / Double(steps.count) }
    let volume = MeanVolume(steps.map { measurement.volumes[$0] })
    let layers = Double(timeline.layout.layerCount)
    let peers = Double(timeline.rankCount * timeline.rankCount)
    let stepTimes = timeline.stepTimes()
    let exchanges = steps.map(timeline.exchangeTimePerLayer)
    self.tokens = tokens
    rowsPerPeer = perStep(total.assignments) / layers / peers
    stepUs = CaseRecord.Samples(steps.map { stepTimes[$0] })
    exchangeUs = CaseRecord.Samples(exchanges)
    bytes = CaseRecord.Bytes(
      CaseRecord.Copies(total, volume, perStep: perStep), rowBytes: measurement.rowBytes)
    wireBytes = CaseRecord.WireBytes(volume)
    messages = volume.mean(\.messages)
    gbPerS = CaseRecord.Bandwidth(bytes, time: exchangeUs.median * layers)
    if let base {
      let others = steps.map(base.exchangeTimePerLayer)
      // Clocks that stand still make no ratio.
      if others.allSatisfy({ $0 > 0 }) {
        ratioToFirst = CaseRecord.Ratio(PairedRatio(exchanges, base: others))
      }
    }
  }
}

extension CaseTimeline {
  /// What the exchange of a step asks of the slowest rank, packing and unpacking included: mean
  /// over layers, microseconds.
  fileprivate func exchangeTimePerLayer(step: Int) -> Double {
    let phases: [Phase] = [.pack, .dispatch, .group, .ungroup, .combine, .reduce]
    let slowest = (0..<rankCount).map { rank in
      phases.reduce(0) { $0 + time(of: $1, rank: rank, step: step) }
    }.max()!
    return slowest / Double(layout.layerCount)
  }
}
