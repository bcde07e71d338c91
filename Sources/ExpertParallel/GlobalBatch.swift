// SPDX-License-Identifier: Apache-2.0
// epsim: the logits of all ranks in the order of the step's tokens.

internal import CostModel
internal import MPI
internal import MoE

/// The whole batch of a step on every rank: what a rule needs that looks at all tokens.
///
/// Ranks send their rows in ascending position; the order of the step is restored here, so that
/// the outcome is the same however tokens are dealt to ranks.
final class GlobalBatch {
  /// The choices of all tokens, in the order of the step.
  var decision: RoutingDecision

  private let configuration: RunConfiguration
  private let rank: Int
  private let expertCount: Int
  /// [T, E] logits as they arrive, rank by rank.
  private let gathered: UnsafeMutableBufferPointer<Float>
  /// [T, E] logits by position.
  private let ordered: UnsafeMutableBufferPointer<Float>
  /// [T] index of each token over the whole run, by position.
  private let tokens: UnsafeMutableBufferPointer<UInt64>
  /// Logits of each rank.
  private var partition: Partition
  /// [T] position of each gathered row.
  private var positions: [Int32] = []
  private var ownPositions: [Int32] = []

  /// [T, E] logits by position.
  var orderedLogits: UnsafeBufferPointer<Float> { UnsafeBufferPointer(ordered) }
  /// [T] index of each token over the whole run, by position.
  var orderedTokens: UnsafeBufferPointer<UInt64> { UnsafeBufferPointer(tokens) }

  init(_ configuration: RunConfiguration, rank: Int, expertCount: Int, _ choiceWidth: Int) {
    self.configuration = configuration
    self.rank = rank
    self.expertCount = expertCount
    let count = configuration.tokenCount
    decision = RoutingDecision(tokenCount: count, topK: choiceWidth)
    gathered = .zeroed(count * expertCount)
    ordered = .zeroed(count * expertCount)
    tokens = .zeroed(count)
    partition = Partition(peerCount: configuration.topology.rankCount)
  }

  deinit {
    gathered.deallocate()
    ordered.deallocate()
    tokens.deallocate()
  }

  /// Bytes that a batch of this size needs.
  static func byteCount(tokens: Int, expertCount: Int, choiceWidth: Int) -> Int {
    tokens * (8 * expertCount + 8 * choiceWidth + 16)
  }

  /// Learns which rank has which positions, outside of the measurement.
  func prepare(step: Int) throws(MPIError) {
    let ranks = 0..<configuration.topology.rankCount
    let positionsOfRank = ranks.map { configuration.positions(rank: $0, step: step) }
    positions = positionsOfRank.flatMap { $0 }
    ownPositions = positionsOfRank[rank]
    partition = try Partition(counts: positionsOfRank.map { $0.count * expertCount })
    for position in tokens.indices {
      tokens[position] = UInt64(step * configuration.tokenCount + position)
    }
  }

  /// Brings the logits of all ranks here, in the order of the step. Collective.
  func gather(
    _ own: UnsafeBufferPointer<Float>, on comm: borrowing Communicator
  ) throws(MPIError) {
    try comm.allGatherV(own, into: gathered, partition)
    for (row, position) in positions.enumerated() {
      (ordered.baseAddress! + Int(position) * expertCount).update(
        from: gathered.baseAddress! + row * expertCount, count: expertCount)
    }
  }

  /// Copies the choices of this rank's tokens.
  func takeOwn(into own: inout RoutingDecision) {
    let width = decision.topK
    for (row, position) in ownPositions.enumerated() {
      for k in 0..<width {
        own.expertIndices[row * width + k] = decision.expertIndices[Int(position) * width + k]
        own.routingWeights[row * width + k] = decision.routingWeights[Int(position) * width + k]
      }
    }
  }
}
