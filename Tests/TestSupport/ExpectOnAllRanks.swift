// SPDX-License-Identifier: Apache-2.0
// epsim: an expectation that holds only if it holds on every rank.

internal import MPI
public import Testing

/// Expects `condition` on every rank of `world`; fails on all ranks if it fails on one.
///
/// A plain `#expect` on one rank passes on the others: they would report success, and an early
/// return after it would leave the ranks in different collectives.
/// Collective: every rank of the launch.
/// - Returns: whether the condition holds on every rank, the same on all.
@MainActor
@discardableResult
public func expectOnAllRanks(
  _ condition: Bool, _ comment: @autoclosure () -> String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) throws -> Bool {
  let world = SharedMPI.world
  let verdicts = try world.allGather([condition])
  let failing = verdicts.indices.filter { !verdicts[$0] }
  let text = condition ? "" : comment()
  #expect(
    failing.isEmpty, "fails on ranks \(failing) of \(world.size), seen from \(world.rank). \(text)",
    sourceLocation: sourceLocation)
  return failing.isEmpty
}
