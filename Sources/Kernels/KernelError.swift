// SPDX-License-Identifier: Apache-2.0
// epsim: a matrix product that the backend or this machine cannot provide.

/// A kernel library call that failed, with the library's own words.
public struct KernelError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was called.
  public let function: String
  /// What it answered.
  public let status: String

  public init(function: String, status: String) {
    self.function = function
    self.status = status
  }

  public var description: String { "\(function): \(status)" }
}
