// SPDX-License-Identifier: Apache-2.0
// epsim: the replica choice of one layer on one rank, with the counts that it may need.

internal import CostModel
internal import MPI
internal import MoE
internal import Placement

/// Which copies of experts serve the tokens of one rank in one layer.
///
/// Rules that look at the whole batch gather its counts here, in the plan phase: it is part of what
/// they cost. Choosing does not allocate.
final class LayerReplicas {
  private let table: ReplicaTable
  /// Nil where the rule needs no counts.
  private let shares: BatchShares?
  private let space: ReplicaSpace

  init(
    _ runCase: RunCase, layer: Int, rank: Int, topology: Topology, space: ReplicaSpace
  ) {
    let (placement, row) = (runCase.placement, runCase.placement.row(ofLayer: layer)!)
    table = ReplicaTable(
      placement: placement, layerRow: row, sourceRank: rank, topology: topology,
      choice: runCase.replicaChoice)
    shares = BatchShares(
      placement: placement, layerRow: row, topology: topology, choice: runCase.replicaChoice)
    self.space = space
  }

  /// Picks the slot of every assignment. Collective where the rule needs counts, else local.
  ///
  /// Shapes: `slots` [T, K].
  func choose(
    _ decision: borrowing RoutingDecision, into slots: UnsafeMutableBufferPointer<Int32>,
    on comm: borrowing Communicator
  ) throws(MPIError) {
    if let shares {
      ReplicaTable.count(decision, into: space.ownCounts)
      try comm.allGather(UnsafeBufferPointer(space.ownCounts), into: space.counts)
      let counts = UnsafeBufferPointer(space.counts)
      shares.solve(counts)
      shares.fill(space.workspace.shares, ofSource: table.sourceRank, counts)
    }
    table.choose(decision, into: slots, space.workspace)
  }
}

/// The memory that the choices of a case work in; its layers run in turn and share it.
final class ReplicaSpace {
  let workspace: ChoiceWorkspace
  /// [E] assignments of this rank's tokens; empty where the rule needs no counts.
  let ownCounts: UnsafeMutableBufferPointer<Int32>
  /// [R, E] assignments of all ranks' tokens.
  let counts: UnsafeMutableBufferPointer<Int32>

  init(_ runCase: RunCase, topology: Topology) {
    let experts = runCase.replicaChoice.needsCounts ? runCase.placement.expertCount : 0
    workspace = ChoiceWorkspace(placement: runCase.placement, nodeCount: topology.nodeCount)
    ownCounts = .zeroed(experts)
    counts = .zeroed(experts * topology.rankCount)
  }

  deinit {
    ownCounts.deallocate()
    counts.deallocate()
  }

  /// Bytes of the choices of a case in so many layers.
  static func byteCount(_ runCase: RunCase, topology: Topology, layers: Int) -> Int {
    let placement = runCase.placement
    let tables = 8 * (placement.expertCount + placement.slotCount)
    return layers * tables + 4 * (placement.slotCount + placement.expertCount)
      + (runCase.replicaChoice.needsCounts
        ? 4 * placement.expertCount * topology.rankCount
          + layers * BatchShares.byteCount(placement: placement, topology: topology) : 0)
  }
}
