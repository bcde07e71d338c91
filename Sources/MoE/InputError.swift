// SPDX-License-Identifier: Apache-2.0
// epsim: what is wrong with something that a person handed in.

/// Bad input: one sentence that names the value, the place and what is accepted.
///
/// Every module throws it for input (options, files, shapes that do not fit); the command line
/// prints the sentence and exits with code 2.
public struct InputError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The sentence, without a trailing period.
  public let description: String

  public init(_ description: String) {
    self.description = description
  }

  /// A text as a sentence quotes it: at most 60 characters, `?` for those that do not print.
  public static func excerpt(_ text: some StringProtocol) -> String {
    // Scalars, for a character may be made of any number of them.
    let printed = text.unicodeScalars.prefix(61).map { scalar in
      switch scalar.properties.generalCategory {
      case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
        .paragraphSeparator:
        "?"
      default: scalar == "\u{FFFD}" ? "?" : String(scalar)
      }
    }
    return printed.count > 60 ? printed.prefix(57).joined() + "..." : printed.joined()
  }
}
