// SPDX-License-Identifier: Apache-2.0
// epsim: what the routers did in a step, summed for losses and balance signals.

internal import MPI
public import MoE

/// What is asked about balance.
public struct BalanceRequest: Sendable {
  /// Tokens of a sequence, for the losses that are taken per sequence.
  public let sequenceLength: Int

  /// - Precondition: positive.
  public init(sequenceLength: Int) {
    precondition(sequenceLength >= 1, "sequences of \(sequenceLength) tokens")
    self.sequenceLength = sequenceLength
  }
}

/// Sums of one layer over all ranks, from which every balance loss follows.
public struct LayerBalance: Sendable {
  /// A segment per sequence of the step.
  public fileprivate(set) var bySequence: BalanceSums
  /// A segment per rank: the micro-batches of data-parallel training.
  public fileprivate(set) var byRank: BalanceSums
  /// Whether a router gave probabilities; without them only loads are known.
  public let hasProbabilities: Bool
}

/// Sums up one layer on one rank, unmeasured.
final class BalanceCollector {
  private var sums: LayerBalance
  private let configuration: RunConfiguration
  private let sequenceLength: Int
  private let step: Int

  /// - Parameter hasProbabilities: whether logits will be given.
  init(
    _ request: BalanceRequest, configuration: RunConfiguration, step: Int, hasProbabilities: Bool
  ) throws {
    self.configuration = configuration
    self.step = step
    sequenceLength = request.sequenceLength
    let experts = configuration.model.expertCount
    let ranks = configuration.rankOfPosition[step].reduce(0) { max($0, Int($1) + 1) }
    let sequences = (configuration.tokenCount + sequenceLength - 1) / sequenceLength
    // Devices of the device-level losses are the ranks; more ranks than experts hold none.
    let devices = min(ranks, experts)
    sums = LayerBalance(
      bySequence: try BalanceSums(
        expertCount: experts, deviceCount: devices, segmentCount: sequences),
      byRank: try BalanceSums(expertCount: experts, deviceCount: devices, segmentCount: ranks),
      hasProbabilities: hasProbabilities)
  }

  /// Adds what a router chose, before capacity drops anything.
  ///
  /// - Parameters:
  ///   - logits: [T, E]; nil where choices were looked up.
  ///   - tokens: [T] index of each token over the whole run.
  func add(
    logits: UnsafeBufferPointer<Float>?, decision: RoutingDecision,
    tokens: UnsafeBufferPointer<UInt64>
  ) {
    let positions = tokens.map { Int($0) - step * configuration.tokenCount }
    let score = configuration.model.router.score
    let sequences = positions.map { Int32($0 / sequenceLength) }
    let ranks = positions.map { configuration.rankOfPosition[step][$0] }
    sequences.withUnsafeBufferPointer {
      sums.bySequence.add(logits: logits, decision: decision, score: score, segments: $0)
    }
    ranks.withUnsafeBufferPointer {
      sums.byRank.add(logits: logits, decision: decision, score: score, segments: $0)
    }
  }

  /// The sums over all ranks. Collective.
  func total(on comm: borrowing Communicator) throws(MPIError) -> LayerBalance {
    var total = sums
    total.bySequence.replace(try comm.allReduce(sums.bySequence.values, .sum))
    total.byRank.replace(try comm.allReduce(sums.byRank.values, .sum))
    return total
  }
}
