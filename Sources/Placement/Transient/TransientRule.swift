// SPDX-License-Identifier: Apache-2.0
// epsim: how a way to balance single batches is written on the command line.

internal import MoE
internal import Workloads

/// What ranks lend each other for one batch: `spill[:LIMIT]...` or `shadow[:UNTIL]...`.
public struct TransientRule: Sendable, Equatable, CustomStringConvertible {
  /// What is decided batch by batch.
  public enum Method: Sendable, Equatable {
    case spill(SpillPlan.Rule)
    /// - Parameter rowsPerExpert: rows that take as long as the weights of one expert; nil where
    ///   that follows from the cluster or the model.
    case shadow(ShadowPlan.Rule, rowsPerExpert: Double?)
  }

  public let method: Method
  /// As it was written.
  public let description: String

  private static let largest = 1e6
  /// Stands for rows that nobody has written; none may be written below 0.
  private static let asModelled = -1.0

  private static let parameters: [(name: String, parameters: [SpecParameter])] = [
    (
      "spill",
      [
        .real("limit", 1, 0...largest, "rows a rank keeps, by the mean of all ranks"),
        .whole("least", 1024, 0...1 << 30, "rows that are worth sending weights for"),
        .real("threshold", 1.3, 0...largest, "load max/mean from which rows are lent"),
      ]
    ),
    (
      "shadow",
      [
        .word("until", ShadowPlan.Rule.allCases.map(\.rawValue), "when the search ends"),
        .real("rows", asModelled, 0...1e12, "rows as slow as the weights of an expert"),
      ]
    ),
  ]

  /// What may be written.
  public static var accepted: String {
    parameters.map { $0.name + SpecParameter.usage($0.parameters) }.joined(separator: ", ")
  }

  /// Parses what a person wrote.
  ///
  /// - Throws: ``InputError`` that says what is accepted.
  public init(parsing text: String) throws {
    description = text
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts[0])
    guard let entry = Self.parameters.first(where: { $0.name == name }) else {
      throw InputError(
        "--per-batch \"\(InputError.excerpt(text))\" is unknown, accepted are \(Self.accepted)")
    }
    let values = try SpecValues(
      entry.parameters, parsing: parts.count == 2 ? String(parts[1]) : nil, of: name,
      place: "--per-batch \(InputError.excerpt(text))")
    method =
      name == "spill"
      ? .spill(
        SpillPlan.Rule(
          limit: values["limit"], leastRows: values[whole: "least"],
          threshold: values["threshold"]))
      : .shadow(
        ShadowPlan.Rule.allCases[values[whole: "until"]],
        rowsPerExpert: values["rows"] == Self.asModelled ? nil : values["rows"])
  }
}
