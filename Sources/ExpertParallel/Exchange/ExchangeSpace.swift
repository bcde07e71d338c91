// SPDX-License-Identifier: Apache-2.0
// epsim: how much room the blocks of an exchange need on a rank.

internal import CostModel
internal import Kernels

/// The most that a rank has, sends and receives in any step of a run.
struct RowBounds {
  /// T, this rank's tokens.
  var tokens: Int
  /// The tokens of all ranks.
  var allTokens: Int
  /// Assignments that this rank sends.
  var sentRows: Int
  /// Assignments that this rank's experts get.
  var receivedRows: Int
  /// Assignments that any rank sends to any one.
  var largestBlock: Int
  /// Tokens of the ranks whose copies this rank takes in for its node.
  var forwardedTokens: Int
}

/// Bytes of the buffers that blocks of rows travel through.
struct ExchangeSpace {
  /// Units to send.
  var send = 0
  /// Units as they arrive.
  var received = 0
  /// Results that leave.
  var returned = 0
  /// Results that come back.
  var combined = 0
  /// Copies taken in for the node, and the sums of their results.
  var forwarded = 0
  /// Copies fanned out in the node, and their results.
  var fannedOut = 0

  /// What one scheme needs.
  ///
  /// - Parameters:
  ///   - unitBytes: of a row with what travels with it.
  ///   - ranksOfNode: of this rank's node.
  init(
    _ scheme: ExchangeScheme, bounds: RowBounds, hidden: Int, unitBytes: Int, choiceWidth: Int,
    rankCount: Int, ranksOfNode: Int
  ) {
    let resultBytes = hidden * scheme.combineWire.byteCount
    switch scheme.transport {
    case .padded:
      let units = rankCount * bounds.largestBlock
      (send, received) = (units * unitBytes, units * unitBytes)
      (returned, combined) = (units * resultBytes, units * resultBytes)
    case .allGather:
      (send, received) = (bounds.tokens * unitBytes, bounds.allTokens * unitBytes)
      (returned, combined) = (bounds.allTokens * resultBytes, bounds.tokens * resultBytes)
    default:
      (send, received) = (bounds.sentRows * unitBytes, bounds.receivedRows * unitBytes)
      (returned, combined) = (bounds.receivedRows * resultBytes, bounds.sentRows * resultBytes)
    }
    guard scheme.dedup == .node else { return }
    let bytes = max(unitBytes, resultBytes)
    forwarded = bounds.forwardedTokens * bytes
    fannedOut = bounds.forwardedTokens * min(choiceWidth, ranksOfNode) * bytes
  }

  init() {}

  /// Room for either.
  mutating func formUnion(_ other: ExchangeSpace) {
    send = max(send, other.send)
    received = max(received, other.received)
    returned = max(returned, other.returned)
    combined = max(combined, other.combined)
    forwarded = max(forwarded, other.forwarded)
    fannedOut = max(fannedOut, other.fannedOut)
  }
}
