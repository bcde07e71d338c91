// SPDX-License-Identifier: Apache-2.0
// epsim: which strategy was chosen, and why.

public import CostModel

/// What ``AutoPlacement`` tried.
public struct AutoChoice: Sendable, Equatable {
  /// A strategy fitted to some windows and judged on others.
  public struct Candidate: Sendable, Equatable {
    /// As it would be written.
    public var name: String
    /// Mean over windows of the time of all layers, on the windows that it was fitted to.
    public var fitted: Seconds
    /// The same on the windows that it has not seen.
    public var heldOut: Seconds
  }

  /// In the order of trial.
  public var candidates: [Candidate]
  /// The place of the chosen one.
  public var chosen: Int
  /// Windows that candidates were fitted to; the chosen one is fitted once more, to all.
  public var fittedWindows: Int
  /// Windows that decided; 0 where there is one window only, which then decides.
  public var heldOutWindows: Int
  /// Strategies that the problem or the time limit kept out, each with the reason.
  public var leftOut: [String]

  /// The chosen one.
  public var winner: Candidate { candidates[chosen] }

  /// Why, in a sentence.
  public var reason: String {
    let others = candidates.indices.filter { $0 != chosen }
    let judged =
      heldOutWindows > 0
      ? "on \(heldOutWindows) held-out windows" : "on the one that it was fitted to"
    let time = "\(winner.name): \(Self.text(winner.heldOut)) a window \(judged)"
    guard let next = others.min(by: { candidates[$0].heldOut < candidates[$1].heldOut }) else {
      return time
    }
    let second = candidates[next]
    // As in comparisons of placements: less than a per cent decides nothing.
    let isTie = second.heldOut.value < winner.heldOut.value * 1.01
    return "\(time), the next best is \(second.name) with \(Self.text(second.heldOut))"
      + (isTie ? ": no difference" : "")
  }

  private static func text(_ time: Seconds) -> String {
    let isLong = time.microseconds >= 10_000
    let tenths = (time.microseconds * (isLong ? 0.01 : 10)).rounded() / 10
    return "\(tenths) \(isLong ? "ms" : "us")"
  }
}
