// SPDX-License-Identifier: Apache-2.0
// epsim: tables of engines whose times follow a law.

import CostModel

/// An engine that takes `fixed` microseconds and `perKilobyte` for every kilobyte of a rank.
struct LinearEngine {
  var engine: MeasuredExchanges.Engine
  var fixed: Double
  var perKilobyte: Double
  /// Share of the time that is travel.
  var travel = 1.0

  func us(_ bytes: Double) -> Double { fixed + perKilobyte * bytes / 1000 }
}

let baseline = MeasuredExchanges.Engine(.none, .allToAllV)
let messages = MeasuredExchanges.Engine(.none, .pointToPoint)
let copies = MeasuredExchanges.Engine(.rank, .pointToPoint)

func machine(ranks: Int = 4, nodes: Int = 1) -> MeasuredExchanges.Machine {
  MeasuredExchanges.Machine(
    ranks: ranks, nodes: nodes, ranksPerNode: Array(repeating: ranks / nodes, count: nodes),
    cores: 4, hosts: ["here"], mpi: "an MPI", epsim: "0")
}

/// Rows of 1000 bytes.
func shape(rows: Double, skew: Double = 1) -> ExchangeShape {
  ExchangeShape(rowsPerRank: rows, rowBytes: 1000, skew: skew, rankCopies: 2)
}

/// Points a factor of four apart, from `rows` on.
func series(
  _ engines: [LinearEngine], workload: String = "uniform", skew: Double = 1, rows: Double = 16,
  points: Int = 5
) -> MeasuredExchanges.Series {
  var rows = rows
  return MeasuredExchanges.Series(
    workload: workload, topK: 2, hidden: 250,
    points: (0..<points).map { _ in
      defer { rows *= 4 }
      let shape = shape(rows: rows, skew: skew)
      return MeasuredExchanges.Point(
        tokensPerRank: Int(rows / 2), shape: shape,
        times: engines.map {
          let us = $0.us(shape.bytesPerRank)
          return MeasuredExchanges.Time(
            $0.engine, us: us, ci95: [us * 0.9, us * 1.1], travelUs: us * $0.travel)
        })
    })
}

func table(
  _ series: [MeasuredExchanges.Series], nodes: Int = 1
) -> MeasuredExchanges {
  MeasuredExchanges(
    created: "2026-01-01T00:00:00Z", machine: machine(nodes: nodes), steps: 10, series: series)
}
