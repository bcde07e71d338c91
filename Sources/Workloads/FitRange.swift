// SPDX-License-Identifier: Apache-2.0
// epsim: which tokens a placement is fitted to, and which it is judged on.

internal import MoE

/// The part of a trace that placements may look at.
public enum FitRange: String, Sendable, CaseIterable, Codable {
  /// Fitted on the first half of the tokens, judged on the second.
  case firstHalf = "first-half"
  /// Fitted and judged on all tokens: the placement has seen what it is judged on.
  case all

  /// The tokens to fit to and the tokens to judge on.
  ///
  /// - Throws: ``InputError`` when a trace of one token should be halved.
  public func split(tokenCount: Int) throws -> TokenSplit {
    switch self {
    case .all: return TokenSplit(fitted: 0..<tokenCount, judged: 0..<tokenCount)
    case .firstHalf:
      guard tokenCount >= 2 else {
        throw InputError(
          "fit first-half: a trace of \(tokenCount) token has no two halves, accepted is fit all")
      }
      return TokenSplit(fitted: 0..<tokenCount / 2, judged: tokenCount / 2..<tokenCount)
    }
  }
}

/// Token ranges of a trace for fitting and for judging.
public struct TokenSplit: Sendable, Equatable {
  /// What a fitted placement sees.
  public let fitted: Range<Int>
  /// What every placement is judged on.
  public let judged: Range<Int>
}
