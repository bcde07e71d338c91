// SPDX-License-Identifier: Apache-2.0
// epsim: the options that describe ranks where nothing is launched.

internal import ArgumentParser
internal import CostModel
internal import MoE

/// Ranks and nodes where nothing is launched.
struct MachineOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Ranks to place experts on.")
  var ranks = 8

  @Option(
    parsing: .unconditional,
    help: "Nodes that the ranks lie on, in equal blocks of consecutive ranks.")
  var nodes = 1

  func topology() throws -> Topology {
    guard (1...65_536).contains(ranks) else {
      throw InputError("--ranks \(ranks), accepted are 1 to 65536")
    }
    guard (1...ranks).contains(nodes) else {
      throw InputError("--nodes \(nodes), accepted are 1 to the \(ranks) ranks")
    }
    return Topology(ranks: ranks, nodes: nodes)
  }
}
