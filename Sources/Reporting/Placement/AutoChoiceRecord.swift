// SPDX-License-Identifier: Apache-2.0
// epsim: why `auto` placed experts as it did.

internal import CostModel
public import Placement

/// What the placement `auto` tried for a case, and what it took.
public struct AutoChoiceRecord: Codable, Sendable {
  /// A strategy fitted to some windows of tokens and judged on others.
  public struct Candidate: Codable, Sendable {
    public var name: String
    /// Modelled time of the layers, mean over windows whose tokens are sent at once: those that it
    /// was fitted to, and the others.
    public var fittedUs: Double
    public var heldOutUs: Double
  }

  /// The cases that it was chosen for.
  public var cases: [String]
  public var candidates: [Candidate]
  /// The name of the chosen candidate.
  public var chosen: String
  /// Windows that candidates were fitted to, and those that decided.
  public var fittedWindows: Int
  public var heldOutWindows: Int
  /// Why, in a sentence.
  public var reason: String
  /// Strategies that were kept out, each with the reason.
  public var leftOut: [String]

  public init(_ choice: AutoChoice, cases: [String]) {
    self.cases = cases
    candidates = choice.candidates.map {
      Candidate(
        name: $0.name, fittedUs: $0.fitted.microseconds, heldOutUs: $0.heldOut.microseconds)
    }
    chosen = choice.winner.name
    fittedWindows = choice.fittedWindows
    heldOutWindows = choice.heldOutWindows
    reason = choice.reason
    leftOut = choice.leftOut
  }
}

/// The candidates of `auto` as a table.
struct AutoChoiceReport {
  private let choice: AutoChoiceRecord

  init(_ choice: AutoChoiceRecord) { self.choice = choice }

  var text: String {
    [heading, table, leftOut].filter { !$0.isEmpty }.joined(separator: "\n\n")
  }

  private var decides: Bool { choice.heldOutWindows > 0 }

  private var heading: String {
    let windows =
      decides
      ? "Fitted to \(choice.fittedWindows) windows of tokens and judged on "
        + "\(choice.heldOutWindows) others; the chosen one is fitted to all."
      : "There is one window of tokens, to fit to and to judge on."
    return Paragraph(
      "\(choice.cases.joined(separator: ", ")): chosen is \(choice.reason). \(windows)", indent: 2
    ).text
  }

  private var table: String {
    let slowest = choice.candidates.flatMap { [$0.fittedUs, $0.heldOutUs] }.max() ?? 0
    let unit = Quantity.TimeUnit(fitting: slowest)
    var columns: [(heading: String, alignment: TextTable.Alignment)] = [
      ("tried, modelled \(unit.name) a window", .left), ("fitted", .right),
    ]
    if decides { columns.append(("held out", .right)) }
    var table = TextTable(columns)
    for candidate in choice.candidates {
      table.add(
        [candidate.name, unit.text(candidate.fittedUs)]
          + (decides ? [unit.text(candidate.heldOutUs)] : []))
    }
    return table.text
  }

  private var leftOut: String {
    choice.leftOut.map { Paragraph("left out: \($0)", indent: 2).text }.joined(separator: "\n")
  }
}
