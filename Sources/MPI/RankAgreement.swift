// SPDX-License-Identifier: Apache-2.0
// epsim: all ranks learn of an error before any of them leaves.

/// The error of the lowest rank that failed, thrown alike on every rank.
public struct AgreedError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The lowest rank that failed.
  public let rank: Int
  /// What its error says.
  public let message: String
  /// What its error was classified as; never zero.
  public let category: Int

  public var description: String { message }
}

extension Communicator {
  /// Runs `body` on every rank; throws on every rank if it failed on any.
  ///
  /// Without agreement a rank that fails alone leaves the others waiting in their next
  /// collective. `body` itself must not communicate.
  /// - Parameters:
  ///   - classify: maps the error to a number that travels with it, for example an exit code;
  ///     not zero.
  ///   - body: work that may fail on some ranks only.
  /// - Returns: the result of this rank's `body`.
  /// - Throws: ``AgreedError`` with the lowest failing rank's message; ``MPIError`` where the
  ///   agreement itself fails.
  /// Collective: one reduction, and where a rank failed two broadcasts of its error.
  public func agree<Result>(
    classify: (any Error) -> Int = { _ in 1 }, _ body: () throws -> Result
  ) throws -> Result {
    let outcome = Swift.Result { try body() }
    var failingRank = size
    if case .failure = outcome { failingRank = rank }
    failingRank = try allReduce(failingRank, .min)
    if failingRank == size { return try outcome.get() }

    var message = ""
    var category = 0
    if case .failure(let error) = outcome {
      message = "\(error)"
      category = classify(error)
    }
    category = try broadcast([category], root: failingRank)[0]
    message = try broadcast(message, root: failingRank)
    throw AgreedError(rank: failingRank, message: message, category: category)
  }
}
