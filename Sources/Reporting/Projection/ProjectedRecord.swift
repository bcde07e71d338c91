// SPDX-License-Identifier: Apache-2.0
// epsim: a projection as JSON, with the keys of a run's record.

internal import CostModel
internal import Projection

/// What was projected, with the keys that a record of a run has for the same figures.
struct ProjectedRecord: Codable {
  struct Environment: Codable {
    var cluster: String
    var functionalOnly = false
  }

  struct Step: Codable {
    var median: Double
    /// [low, high] by the uncertainty of the profile's numbers.
    var interval: [Double]
    /// One per batch.
    var samples: [Double]
  }

  struct Exchange: Codable {
    var total: Double
    var wait: Double
    var transfer: Double
  }

  struct Hangs: Codable {
    var key: String
    var value: String
    var provenance: String
    var source: String
    var low: Double
    var high: Double
  }

  struct Case: Codable {
    var name: String
    var ranks: Int
    var nodes: Int
    var tokens: Int
    var stepUs: Step
    var tokensPerS: Double
    var phasesUs: [String: CaseRecord.PhaseTime]
    var dispatchUs: Exchange
    var combineUs: Exchange
    var shares: Shares
    /// Bytes of a step, both ways, over all ranks.
    var bytes: Bytes
    var load: Load
    var binding: String
    /// What lies outside of what the profile was measured on.
    var extrapolated: [String]
    var hangsOn: [Hangs]
  }

  struct Shares: Codable {
    var expert: Double
    var transfer: Double
    var wait: Double
    var rest: Double
  }

  struct Bytes: Codable {
    var insideNodes: Double
    var offNode: Double
    var aboveLeaves: Double
  }

  struct Load: Codable {
    var maxOverMean: Double
  }

  var schema = "epsim-run/1"
  var projected = true
  var environment: Environment
  var model: String
  var workload: String
  var mode: String
  var schedule: String
  var layers: Int
  var tokensPerRank: Int
  var cases: [Case]
}

extension ProjectionReport {
  /// The figures as JSON.
  public var json: String {
    get throws {
      try RecordCoding.text(
        ProjectedRecord(
          environment: .init(cluster: profile.name), model: model, workload: workload, mode: mode,
          schedule: schedule.rawValue, layers: layerCount, tokensPerRank: tokensPerRank,
          cases: points.map(record)))
    }
  }

  private func record(_ point: ProjectedPoint) -> ProjectedRecord.Case {
    let step = point.typical
    let ranks = step.ranks
    func exchange(_ wait: RankPhase, _ transfer: RankPhase) -> ProjectedRecord.Exchange {
      let (wait, transfer) = (ranks.mean(wait).microseconds, ranks.mean(transfer).microseconds)
      return .init(total: wait + transfer, wait: wait, transfer: transfer)
    }
    let shares = step.shares
    return ProjectedRecord.Case(
      name: point.name, ranks: point.topology.rankCount, nodes: point.topology.nodeCount,
      tokens: point.tokens,
      stepUs: .init(
        median: step.time.microseconds,
        interval: [
          point.interval.lowerBound.microseconds, point.interval.upperBound.microseconds,
        ], samples: point.steps.map(\.time.microseconds)),
      tokensPerS: point.tokensPerSecond, phasesUs: Self.phases(ranks),
      dispatchUs: exchange(.dispatchWait, .dispatchTransfer),
      combineUs: exchange(.combineWait, .combineTransfer),
      shares: .init(
        expert: shares.expert, transfer: shares.transfer, wait: shares.wait, rest: shares.rest),
      bytes: .init(
        insideNodes: point.insideBytes.value, offNode: point.offNodeBytes.value,
        aboveLeaves: point.leafBytes.value),
      load: .init(maxOverMean: point.loadMaxOverMean), binding: step.bindingWords,
      extrapolated: point.outside,
      hangsOn: point.influences.prefix(10).map {
        .init(
          key: $0.value.key, value: $0.value.text, provenance: $0.value.provenance.rawValue,
          source: $0.value.source, low: $0.low, high: $0.high)
      })
  }

  /// The phases by the names of a run's record.
  private static func phases(_ ranks: RankTimes) -> [String: CaseRecord.PhaseTime] {
    Dictionary(
      uniqueKeysWithValues: ValidatedCase.parts.map { name, parts in
        func total(_ rank: Int) -> Double {
          parts.reduce(0) { $0 + ranks[$1, rank].microseconds }
        }
        let totals = (0..<ranks.rankCount).map(total)
        return (
          name,
          CaseRecord.PhaseTime(
            max: totals.max() ?? 0, mean: totals.reduce(0, +) / Double(max(1, totals.count)))
        )
      })
  }
}
