// SPDX-License-Identifier: Apache-2.0
// epsim: the cores that the ranks of a job may run on.

internal import Foundation
public import MPI
internal import Timing

/// Cores of the machines of a job, as far as their ranks may use them.
///
/// The ranks of one machine may use the union of what each is bound to, within its CPU quota. Two
/// hardware threads of a core are one core: they share its arithmetic.
public struct UsableCores: Sendable {
  /// Cores of the smallest machine; of the whole machine where it has only one rank, which the
  /// launcher binds to one core.
  public let smallest: Int
  /// Ranks of the machine with the most ranks per core, and the cores that they may use.
  public let busiest: (ranks: Int, cores: Int)

  /// Asks every rank. Collective.
  public init(on comm: borrowing Communicator) throws(MPIError) {
    // Emulated nodes are several on one machine: cores belong to the machine, known by its boot.
    let boot = ClockDomain.current.identity.prefix { $0 != "|" }
    let boots = try comm.allGatherV(Array(boot.utf8))
    let coresOfRank = try comm.allGatherV(Self.cores(of: Self.boundCPUs()))
    let online = ProcessInfo.processInfo.activeProcessorCount
    let onlineOfRank = try comm.allGather([Self.cores(of: Array(0..<online)).count])
    let quotaOfRank = try comm.allGather([ControlGroup.coreQuota() ?? .max])

    let machines = Dictionary(grouping: boots.indices) { boots[$0] }.values.map { ranks in
      let quota = ranks.map { quotaOfRank[$0] }.min()!
      let usable = min(quota, Set(ranks.flatMap { coresOfRank[$0] }).count)
      let whole = min(quota, onlineOfRank[ranks[0]])
      return (ranks: ranks.count, cores: usable, shown: ranks.count == 1 ? whole : usable)
    }
    smallest = machines.map(\.shown).min()!
    let fullest = machines.max { $0.ranks * $1.cores < $1.ranks * $0.cores }!
    busiest = (fullest.ranks, fullest.cores)
  }

  /// Whether some machine has more ranks times threads than cores: times are then no measurement.
  public func areExceeded(threads: Int) -> Bool { busiest.ranks * threads > busiest.cores }

  /// The CPUs that this process may run on; all of them where the system does not tell.
  ///
  /// Source: proc_pid_status(5), Cpus_allowed_list, which is the mask of sched_getaffinity(2).
  private static func boundCPUs() -> [Int] {
    let key = "Cpus_allowed_list:"
    let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status?.split(separator: "\n").first { $0.hasPrefix(key) }
    // "0-3,8,10-11".
    let cpus = (line?.dropFirst(key.count) ?? "").split(separator: ",").flatMap { range in
      let ends = range.split(separator: "-").compactMap {
        Int($0.trimmingCharacters(in: .whitespaces))
      }
      guard let first = ends.first, let last = ends.last, first <= last else { return [Int]() }
      return Array(first...last)
    }
    return cpus.isEmpty ? Array(0..<ProcessInfo.processInfo.activeProcessorCount) : cpus
  }

  /// The cores of some CPUs, each known by its first CPU; a CPU that the system says nothing about
  /// is a core.
  private static func cores(of cpus: [Int]) -> [Int] {
    let cores = cpus.map { cpu in
      // "0,32" or "0-1".
      let siblings = try? String(
        contentsOfFile: "/sys/devices/system/cpu/cpu\(cpu)/topology/thread_siblings_list",
        encoding: .utf8)
      return siblings.flatMap { Int($0.prefix(while: \.isNumber)) } ?? cpu
    }
    return Array(Set(cores))
  }
}
