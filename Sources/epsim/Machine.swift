// SPDX-License-Identifier: Apache-2.0
// epsim: which ranks share a node, a host, a clock and cores.

internal import CostModel
internal import Foundation
internal import MPI
internal import Timing

/// What the ranks of a job run on.
struct Machine {
  /// Ranks and nodes; a node is a group of ranks that can share memory.
  let topology: Topology
  /// [R] host name of each rank.
  let hosts: [String]
  /// Cores of the smallest machine.
  let cores: Int
  /// Ranks of the machine with the most ranks per core, and its cores.
  let busiest: (ranks: Int, cores: Int)
  /// Granularity of the clocks, nanoseconds, the largest over ranks.
  let clockGranularity: Int64

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

    // Emulated nodes are several on one machine: cores belong to the machine, known by its boot.
    let boot = ClockDomain.current.identity.prefix { $0 != "|" }
    let boots = try comm.allGatherV(Array(boot.utf8))
    let coresOfRank = try comm.allGather([Int64(ProcessInfo.processInfo.activeProcessorCount)])
    cores = Int(coresOfRank.min()!)
    let machines = Dictionary(grouping: boots.indices) { boots[$0] }.values.map { ranks in
      (ranks: ranks.count, cores: Int(ranks.map { coresOfRank[$0] }.min()!))
    }
    busiest = machines.max { $0.ranks * $1.cores < $1.ranks * $0.cores }!
    clockGranularity = try comm.allReduce(MonotonicClock.measuredGranularity(), .max)
  }

  /// Whether some machine has more ranks times threads than cores: times are then no measurement.
  func isFunctionalOnly(threads: Int) -> Bool { busiest.ranks * threads > busiest.cores }
}
