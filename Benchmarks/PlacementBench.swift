// SPDX-License-Identifier: Apache-2.0
// epsim: how fast placements are solved.

import CostModel
import MPI
import MoE
import Placement
import Reporting
import Timing
import Workloads

/// EPLB for every layer of a large model: fast enough to be asked again every few steps.
///
/// Loads fall as those of experts do, by Zipf's law with exponent 1, in another order in each layer.
struct PlacementBench {
  /// Layers with experts, and experts, of models/deepseek-v3.yaml.
  private let layers = 58
  private let experts = 256
  private let cases = [
    (slots: 288, ranks: 32, limit: 10e-3), (288, 72, 10e-3), (288, 96, 10e-3),
    (512, 256, 20e-3),
  ]

  func run(on comm: borrowing Communicator) throws -> [BenchResult] {
    let load = load()
    return try cases.map { slots, ranks, limit in
      let problem = PlacementProblem(
        load: load, topology: Topology(ranks: ranks), extraSlots: slots - experts)
      // What throws is seen before it is timed.
      _ = try EPLBPlacement(policy: .global).place(problem, name: "eplb")
      let times = try InterleavedTimer(repetitions: 21).run(
        [{ _ = try? EPLBPlacement(policy: .global).place(problem, name: "eplb") }], on: comm)
      let seconds = Estimate(times[0]).median
      func text(_ seconds: Double) -> String { Quantity.significant(seconds * 1e3) + " ms" }
      return BenchResult(
        name: "eplb, \(layers) layers of \(experts) experts, \(slots) slots on \(ranks) ranks",
        measured: text(seconds), limit: text(limit), share: Quantity.percent(seconds / limit),
        bound: "at most 100 %", holds: seconds <= limit)
    }
  }

  private func load() -> LoadHistogram {
    LoadHistogram(
      layers: Array(0..<layers),
      rows: (0..<layers).map { layer in
        var loads = (1...experts).map { 1_000_000 / $0 }
        var random = RandomDraws(key: 1, number: layer)
        random.shuffle(&loads)
        return loads
      })
  }
}
