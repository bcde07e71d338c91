// SPDX-License-Identifier: Apache-2.0
// epsim: a placement with the reason for it.

/// What solving a problem gives.
public struct SolvedPlacement: Sendable {
  public var placement: ExpertPlacement
  /// What was tried, where strategies were chosen from; nil for a strategy that was named outright.
  public var choice: AutoChoice?
  /// Whether the time limit ended a search: another run may find another placement.
  public var isCutShort: Bool

  public init(
    _ placement: ExpertPlacement, choice: AutoChoice? = nil, isCutShort: Bool = false
  ) {
    self.placement = placement
    self.choice = choice
    self.isCutShort = isCutShort
  }
}

extension PlacementStrategy {
  public func solve(_ problem: PlacementProblem, name: String) throws -> SolvedPlacement {
    SolvedPlacement(try place(problem, name: name))
  }
}
