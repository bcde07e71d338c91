// SPDX-License-Identifier: Apache-2.0
// epsim: what every placement strategy gives.

/// A rule that decides which expert stands in which slot.
///
/// Every strategy is deterministic: equal problems give equal placements on every machine, searches
/// that end by themselves before their time limit included.
public protocol PlacementStrategy: Sendable {
  /// Solves every layer of the problem.
  ///
  /// - Throws: `InputError` when the strategy cannot serve the problem.
  func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement

  /// The same with the reason, where a strategy has one to tell.
  func solve(_ problem: PlacementProblem, name: String) throws -> SolvedPlacement
}
