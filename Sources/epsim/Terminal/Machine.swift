// SPDX-License-Identifier: Apache-2.0
// epsim: which ranks share a node, a host and cores.

internal import CostModel
internal import ExpertParallel
internal import MPI

/// What the ranks of a job run on.
struct Machine {
  /// Ranks and nodes; a node is a group of ranks that can share memory.
  let topology: Topology
  /// [R] host name of each rank.
  let hosts: [String]
  /// Cores of the smallest machine.
  var cores: Int { usableCores.smallest }
  private let usableCores: UsableCores

  /// Asks every rank. Collective.
  init(on comm: borrowing Communicator) throws {
    let node = try comm.splitShared()
    // A node is known by its lowest rank; nodes are then numbered in that order.
    let leader = try node.allReduce(Int64(comm.rank), .min)
    let leaders = try comm.allGather([leader])
    let order = Array(Set(leaders)).sorted()
    topology = Topology(nodeOfRank: leaders.map { order.firstIndex(of: $0)! })

    let names = try comm.allGatherV(Array(MPIEnvironment.processorName.utf8))
    hosts = names.map { String(decoding: $0, as: UTF8.self) }

    usableCores = try UsableCores(on: comm)
  }

  /// Whether some machine has more ranks times threads than cores: times are then no measurement.
  func isFunctionalOnly(threads: Int) -> Bool { usableCores.areExceeded(threads: threads) }
}
