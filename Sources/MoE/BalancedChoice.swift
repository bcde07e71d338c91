// SPDX-License-Identifier: Apache-2.0
// epsim: choices that load every expert and every rank alike, whatever the tokens.

/// Deals the n = T K assignments of T tokens so that experts and ranks are balanced.
///
/// The assignments are put in a row, and row entry j goes to expert floor(j E / n) on the circle of
/// experts. Token t takes the entries t, t + T, ..., t + (K - 1) T. It follows that
///
/// - every expert gets floor(n / E) or ceil(n / E) assignments: those j with
///   e n <= j E < (e + 1) n;
/// - a token's experts are distinct, because the entries of one expert are neighbours and at most
///   T of them, so entries T apart differ;
/// - any w experts in a row, also around the end, get floor(w n / E) or ceil(w n / E): half-open
///   intervals of length w n / E hold so many whole numbers. A rank of contiguous placement holds
///   w >= floor(E / R) experts in a row, so none is idle if floor(E / R) n >= E. Where R divides E
///   this is n >= R: as soon as there are as many assignments as ranks.
///
/// Where R does not divide E and n < E, no choice serves every R at once. Of 11 experts, 9 ranks
/// hold 5 and 6 together and all but 0 and 1 alone, so 9 assignments can serve one of 5 and 6; but
/// 8 ranks hold each of the two alone. Given one R, this type leaves none of its ranks idle
/// whenever R <= n and R <= E; for n < E their loads are then within 1 of each other.
/// Spacing a token's choices by E / K instead, as is common, leaves ranks idle in small batches
/// (E = 256, K = 8, 16 ranks, 8 tokens: every other rank).
public struct BalancedChoice: Sendable {
  /// E, the experts.
  public let expertCount: Int
  /// K, the distinct experts of each token.
  public let topK: Int
  /// T, the tokens that are balanced together.
  public let tokenCount: Int

  /// Coprime to T and near T / golden ratio: neighbouring tokens land far apart in the row, so the
  /// tokens of a source rank reach all ranks evenly as well.
  private let stride: Int
  /// [n] where each entry of the row lies, if a number of ranks asks for it; else empty.
  private let slots: [Slot]

  /// A place in the block of a rank.
  private struct Slot {
    let start: Int32
    let width: Int32
    let offset: Int32
  }

  /// - Parameter rankCount: ranks of a contiguous placement that must not be idle although they
  ///   do not divide E; nil for the same choice on any number of ranks. Allocates only where
  ///   given.
  /// - Precondition: 1 <= K <= E < 2^31; T from 1 to ``maximumTokenCount(expertCount:topK:)``; at
  ///   least one rank.
  public init(expertCount: Int, topK: Int, tokenCount: Int, rankCount: Int? = nil) {
    precondition(topK >= 1 && topK <= expertCount, "top-\(topK) of \(expertCount) experts")
    precondition(
      (1...Self.maximumTokenCount(expertCount: expertCount, topK: topK)).contains(tokenCount),
      "\(tokenCount) tokens, \(expertCount) experts")
    self.expertCount = expertCount
    self.topK = topK
    self.tokenCount = tokenCount
    stride = Self.stride(of: tokenCount)
    slots =
      rankCount.map {
        Self.slots(assignmentCount: tokenCount * topK, expertCount: expertCount, rankCount: $0)
      } ?? []
  }

  /// The most tokens that can be balanced together: 2^31 - 1, or where T K E would exceed 2^62.
  public static func maximumTokenCount(expertCount: Int, topK: Int) -> Int {
    min(Int(Int32.max), (1 << 62) / expertCount / topK)
  }

  /// The expert of a token's choice.
  ///
  /// - Parameters:
  ///   - token: position in `0 ..< T`.
  ///   - choice: k in `0 ..< K`.
  ///   - turn: turns the circle, so that other experts get what cannot be shared evenly; the
  ///     balance is the same for each. In `0 ..< E`.
  @inline(__always)
  public func expert(token: Int, choice: Int, turn: Int = 0) -> Int {
    let entry = token * stride % tokenCount + choice * tokenCount
    if !slots.isEmpty {
      let slot = slots[entry]
      return Int(slot.start) + (Int(slot.offset) + turn) % Int(slot.width)
    }
    let expert = entry * expertCount / (tokenCount * topK) + turn
    return expert < expertCount ? expert : expert - expertCount
  }

  private static func stride(of count: Int) -> Int {
    var candidate = max(1, Int(Double(count) * 0.618_033_988_749_895))
    while gcd(candidate, count) != 1 { candidate += 1 }
    return candidate
  }

  private static func gcd(_ a: Int, _ b: Int) -> Int {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, a % b) }
    return a
  }

  /// Gives each rank floor(n / R) entries and one more to as many as it takes, among those with
  /// room; empty where the plain rule leaves no rank idle or none can avoid it.
  private static func slots(assignmentCount n: Int, expertCount: Int, rankCount: Int) -> [Slot] {
    precondition(rankCount >= 1, "\(rankCount) ranks")
    guard rankCount <= n, n < expertCount, expertCount % rankCount != 0 else { return [] }
    let starts = (0...rankCount).map { ($0 * expertCount + rankCount - 1) / rankCount }
    let (each, more) = n.quotientAndRemainder(dividingBy: rankCount)
    let roomy = (0..<rankCount).filter { starts[$0 + 1] - starts[$0] > each }
    var counts = Array(repeating: each, count: rankCount)
    for index in 0..<more { counts[roomy[index * roomy.count / more]] += 1 }
    return (0..<rankCount).flatMap { rank in
      let width = starts[rank + 1] - starts[rank]
      return (0..<counts[rank]).map { index in
        Slot(
          start: Int32(starts[rank]), width: Int32(width),
          offset: Int32(index * width / counts[rank]))
      }
    }
  }
}
