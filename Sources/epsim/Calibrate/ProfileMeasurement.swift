// SPDX-License-Identifier: Apache-2.0
// epsim: measures the ranks of a launch and fits a profile to them.

internal import CostModel
internal import ExpertParallel
internal import Foundation
internal import Kernels
internal import MPI
internal import MoE
internal import Projection

/// The profile of the ranks of this launch.
struct ProfileMeasurement {
  let grid: ClusterGrid
  let machine: Machine
  let context: KernelContext
  let name: String
  /// Of the link between nodes; nil where it is not known.
  let lineRate: BytesPerSecond?

  /// Measures and fits. Collective.
  /// - Returns: the fit on rank 0; nil on the others.
  func fit(on comm: borrowing Communicator) throws -> ClusterFit? {
    let start = Date()
    let isShown = comm.rank == 0 && Console.isTerminal
    defer { if isShown { Console.replaceLine("") } }
    let samples = try ClusterMeasurement(grid: grid, context: context).samples(on: comm) {
      done, count in
      guard isShown else { return }
      let elapsed = Int(Date().timeIntervalSince(start).rounded(.up))
      Console.replaceLine("measurement \(done + 1) of \(count), \(elapsed) s so far")
    }
    // Only rank 0 has samples to fit to; the others must not go on without it.
    return try comm.agree(classify: Launch.exitCode) {
      try samples.map { try ClusterFit($0, of: described) }
    }
  }

  private var described: ClusterFit.Machine {
    let topology = machine.topology
    let perNode = topology.rankCount / topology.nodeCount
    let environment = context.environment
    let type: Precision = grid.elementType == .bf16 ? .bf16 : .f32
    let day = ISO8601DateFormatter().string(from: Date()).prefix(10)
    return ClusterFit.Machine(
      name: name,
      about: "\(Self.count(topology.rankCount, "rank")) on "
        + "\(Self.count(topology.nodeCount, "node")) of epsim, experts as wide as those of "
        + grid.model.name,
      source: "epsim calibrate on \(Set(machine.hosts).sorted().joined(separator: ", ")), \(day), "
        + "\(environment.backend.rawValue) \(environment.backendVersion), "
        + "--transport \(grid.scheme.transport.rawValue)",
      rankName: "\(environment.instructionSet) core", ranks: topology.rankCount,
      ranksPerNode: perNode, precision: type,
      memorySize: Bytes(Double(ProcessInfo.processInfo.physicalMemory) / Double(max(1, perNode))),
      lineRate: lineRate.map { ($0, "what the option --line-rate says") })
  }

  private static func count(_ number: Int, _ what: String) -> String {
    "\(number) \(what)\(number == 1 ? "" : "s")"
  }
}
