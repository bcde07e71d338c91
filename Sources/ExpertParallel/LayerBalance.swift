// SPDX-License-Identifier: Apache-2.0
// epsim: what the routers did in a step, summed for losses and balance signals.

internal import CostModel
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

  /// Bytes that the sums of a layer need on a rank, twice while they are added up.
  func byteCount(_ configuration: RunConfiguration) -> Int {
    let segments =
      configuration.topology.rankCount
      + (configuration.tokenCount + sequenceLength - 1) / sequenceLength
    let experts = configuration.model.expertCount
    return 16 * segments * (2 + 3 * experts + min(experts, configuration.topology.rankCount))
  }
}

/// Sums of one layer over all ranks, from which every balance loss follows.
public struct LayerBalance: Sendable {
  /// The mean over sequences of their auxiliary loss.
  public let sequenceLoss: Double
  /// A segment per rank: the micro-batches of data-parallel training.
  public let byRank: BalanceSums
  /// Whether a router gave probabilities; without them only loads are known.
  public let hasProbabilities: Bool
}

/// Sums up one layer on one rank, unmeasured.
final class BalanceCollector {
  private var bySequence: BalanceSums
  private var byRank: BalanceSums
  private let hasProbabilities: Bool
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
    let ranks = configuration.topology.rankCount
    let sequences = (configuration.tokenCount + sequenceLength - 1) / sequenceLength
    // Devices of the device-level losses are the ranks; more ranks than experts hold none.
    let devices = min(ranks, experts)
    bySequence = try BalanceSums(
      expertCount: experts, deviceCount: devices, segmentCount: sequences)
    byRank = try BalanceSums(expertCount: experts, deviceCount: devices, segmentCount: ranks)
    self.hasProbabilities = hasProbabilities
  }

  /// Adds what a router chose, before capacity drops anything.
  ///
  /// - Parameters:
  ///   - logits: [T, E]; nil where choices were looked up.
  ///   - tokens: [T] index of each token over the whole run.
  ///   - score: what probabilities are made by; does not matter without logits.
  func add(
    logits: UnsafeBufferPointer<Float>?, decision: RoutingDecision,
    tokens: UnsafeBufferPointer<UInt64>, score: RouterRule.Score = .softmax
  ) {
    let positions = tokens.map { Int($0) - step * configuration.tokenCount }
    let sequences = positions.map { Int32($0 / sequenceLength) }
    let ranks = positions.map { configuration.rankOfPosition[step][$0] }
    sequences.withUnsafeBufferPointer {
      bySequence.add(logits: logits, decision: decision, score: score, segments: $0)
    }
    ranks.withUnsafeBufferPointer {
      byRank.add(logits: logits, decision: decision, score: score, segments: $0)
    }
  }

  /// The sums over all ranks. Collective.
  func total(on comm: borrowing Communicator) throws(MPIError) -> LayerBalance {
    var (sequences, ranks) = (bySequence, byRank)
    sequences.replace(try comm.allReduce(bySequence.values, .sum))
    ranks.replace(try comm.allReduce(byRank.values, .sum))
    return LayerBalance(
      sequenceLoss: sequences.segmentLoss, byRank: ranks, hasProbabilities: hasProbabilities)
  }
}
