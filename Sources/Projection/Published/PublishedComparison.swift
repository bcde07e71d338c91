// SPDX-License-Identifier: Apache-2.0
// epsim: one model against one published table, row by row.

/// What a model predicts for rows of a published table, and which of them it had seen.
public struct PublishedComparison: Sendable, Hashable {
  /// What a row was used for.
  public enum Role: String, Sendable, Hashable, Codable {
    /// The model was fitted to it; it says nothing about the model.
    case fitted
    /// Predicted by a fit that had not seen it.
    case judged
    /// Predicted, but outside of what the model is for; the comparison says why.
    case beside
    /// A disturbed measurement, neither fitted nor judged; ``withDisturbed`` counts it.
    case disturbed
  }

  public struct Row: Sendable, Hashable {
    public var label: String
    public var published: Double
    public var predicted: Double
    public var role: Role

    /// predicted / published - 1.
    public var error: Double { predicted / published - 1 }

    public init(_ label: String, published: Double, predicted: Double, role: Role) {
      self.label = label
      self.published = published
      self.predicted = predicted
      self.role = role
    }
  }

  /// A fitted or given number of the model.
  public struct Parameter: Sendable, Hashable {
    public var name: String
    public var value: Double
    public var unit: String

    public init(_ name: String, _ value: Double, _ unit: String) {
      self.name = name
      self.value = value
      self.unit = unit
    }
  }

  public var title: String
  /// The file in the folder of timings.
  public var source: String
  /// Of published and predicted numbers: us or GB/s.
  public var unit: String
  /// The formula, in words.
  public var model: String
  /// Which rows were fitted and which are judged, in words.
  public var split: String
  /// Mean absolute error up to which the model counts as good for this table.
  public var bound: Double
  public var parameters: [Parameter]
  public var rows: [Row]

  public init(
    title: String, source: String, unit: String, model: String, split: String, bound: Double,
    parameters: [Parameter], rows: [Row]
  ) {
    self.title = title
    self.source = source
    self.unit = unit
    self.model = model
    self.split = split
    self.bound = bound
    self.parameters = parameters
    self.rows = rows
  }

  /// Of the judged rows.
  public var verdict: FitVerdict { verdict { $0 == .judged } }
  /// Of the judged rows and the disturbed ones.
  public var withDisturbed: FitVerdict { verdict { $0 == .judged || $0 == .disturbed } }

  private func verdict(_ counts: (Role) -> Bool) -> FitVerdict {
    FitVerdict(errors: rows.filter { counts($0.role) }.map(\.error), bound: bound)
  }
}
