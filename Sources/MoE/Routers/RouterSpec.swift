// SPDX-License-Identifier: Apache-2.0
// epsim: how a live router is written on the command line.

/// A live router as written: `router` for the model's own rule, or `router:NAME[:PARAM]`.
public struct RouterSpec: Sendable, Equatable, CustomStringConvertible {
  /// The router that is meant.
  public enum Kind: Sendable, Equatable {
    /// The model's rule; its first hash layers, if any, use the hash router.
    case model
    /// The model's rule with another score function or scope.
    case score(RouterRule.Score, RouterRule.Scope)
    /// Top-1 of softmax, whatever the model's K.
    case switchTop1
    case noisy(standardDeviation: Double)
    case jitter(epsilon: Double)
    case expertChoice(factor: Double)
    case sinkhorn
    case hash
    /// Equally many experts of every group; one per choice where the number is nil.
    case grouped(groups: Double?)
    case balanced
  }

  /// The router that is meant.
  public let kind: Kind
  /// As it was written.
  public let description: String

  /// The model's own rule.
  public static let model = RouterSpec(kind: .model, description: "router")

  private init(kind: Kind, description: String) {
    self.kind = kind
    self.description = description
  }

  /// Whether a text is meant as a live router: `router` or `router:...`.
  public static func isRouter(_ text: String) -> Bool {
    text == "router" || text.hasPrefix("router:")
  }

  /// Parses what a person wrote.
  ///
  /// - Throws: ``InputError`` that lists what is accepted.
  public init(parsing text: String) throws {
    description = text
    let parts = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      .map(String.init)
    guard parts[0] == "router" else { throw Self.unknown(text) }
    if parts.count == 1 {
      kind = .model
      return
    }
    guard let entry = Self.catalogue.first(where: { $0.name == parts[1] }) else {
      throw Self.unknown(text)
    }
    var parameter: Double?
    if parts.count == 3 {
      guard let accepted = entry.parameter else {
        throw InputError("router \"\(text)\": \(entry.name) takes no parameter")
      }
      guard let value = Double(parts[2]), accepted.range.contains(value) else {
        throw InputError(
          "router \"\(text)\": \(accepted.name) is \"\(parts[2])\", accepted are numbers from "
            + "\(accepted.range.lowerBound) to \(accepted.range.upperBound)")
      }
      parameter = value
    }
    kind = entry.kind(parameter ?? entry.parameter?.standard ?? 0)
  }

  /// All names with their parameters, for help texts and errors.
  public static var names: String {
    catalogue.map { entry in
      entry.parameter.map { "\(entry.name)[:\($0.name)]" } ?? entry.name
    }.joined(separator: ", ")
  }

  private static func unknown(_ text: String) -> InputError {
    InputError(
      "router \"\(text)\" is unknown, accepted are router and router:NAME with NAME one of "
        + names)
  }
}
