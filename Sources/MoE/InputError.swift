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
}
