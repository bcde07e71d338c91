// SPDX-License-Identifier: Apache-2.0
// epsim: small clusters and random traffic.

import CostModel
import MoE

/// Loads of every side, the slow and obvious way: pair by pair.
struct SlowLoads {
  var insideEgress, insideIngress, betweenEgress, betweenIngress: [[Double]]
  var leafEgress, leafIngress: [Double]

  init(_ traffic: TrafficMatrix, _ topology: Topology, nodesPerLeaf: Int) {
    let ranks = traffic.rankCount
    let none = Array(repeating: [0.0, 0.0], count: ranks)
    (insideEgress, insideIngress, betweenEgress, betweenIngress) = (none, none, none, none)
    leafEgress = Array(repeating: 0, count: (topology.nodeCount - 1) / nodesPerLeaf + 1)
    leafIngress = leafEgress
    for source in 0..<ranks {
      for destination in 0..<ranks where source != destination {
        let copies = Double(traffic[source, destination])
        guard copies > 0 else { continue }
        let (from, to) = (topology.nodeOfRank[source], topology.nodeOfRank[destination])
        if from == to {
          Self.add(copies, &insideEgress[source])
          Self.add(copies, &insideIngress[destination])
        } else {
          Self.add(copies, &betweenEgress[source])
          Self.add(copies, &betweenIngress[destination])
        }
        guard from / nodesPerLeaf != to / nodesPerLeaf else { continue }
        leafEgress[from / nodesPerLeaf] += copies
        leafIngress[to / nodesPerLeaf] += copies
      }
    }
  }

  private static func add(_ copies: Double, _ sums: inout [Double]) {
    sums[0] += copies
    sums[1] += 1
  }
}

extension PortLoads.Side {
  /// [R] copies and messages.
  var pairs: [[Double]] { zip(copies, messages).map { [$0, $1] } }
}

/// Unequal nodes whose ranks are not consecutive.
let mixedNodes = Topology(nodeOfRank: [0, 1, 0, 2, 1, 0, 3, 3, 1, 2, 0])

/// Copies below `bound`, a share of the pairs without any.
func randomTraffic(
  _ ranks: Int, seed: UInt64, below bound: Int = 100, empty: Double = 0.3
) -> TrafficMatrix {
  let random = CounterRandom(seed: seed)
  return TrafficMatrix(
    rankCount: ranks,
    counts: (0..<ranks * ranks).map { index in
      let empties = random.unit(at: UInt64(2 * index)) < empty
      return empties ? 0 : Int(random.unit(at: UInt64(2 * index + 1)) * Double(bound))
    })
}

/// Every limit finite.
func network(
  inside: LinkParameters = LinkParameters(latency: .microseconds(1), bandwidth: .gigabytes(10)),
  between: LinkParameters = LinkParameters(latency: .microseconds(3), bandwidth: .gigabytes(2)),
  insideTotal: BytesPerSecond = .gigabytes(20), nodeTotal: BytesPerSecond = .gigabytes(5),
  ranksPerPort: Int = 2, uplinks: BytesPerSecond? = .gigabytes(4)
) -> NetworkParameters {
  NetworkParameters(
    fixed: .microseconds(5), perNodeShare: .microseconds(4), inside: inside,
    insideTotal: insideTotal, between: between, ranksPerPort: ranksPerPort, nodeTotal: nodeTotal,
    leaves: uplinks.map { NetworkParameters.LeafLevel(nodesPerLeaf: 2, uplinks: $0) })
}

/// Bandwidths and nothing else.
func bareNetwork(
  inside: Double = .infinity, between: Double = .infinity, latency: Double = 0
) -> NetworkParameters {
  NetworkParameters(
    inside: LinkParameters(
      latency: .microseconds(latency), bandwidth: BytesPerSecond(inside)),
    between: LinkParameters(
      latency: .microseconds(latency), bandwidth: BytesPerSecond(between)))
}

func isClose(_ a: Double, _ b: Double, within tolerance: Double = 1e-12) -> Bool {
  a == b || abs(a - b) <= tolerance * max(abs(a), abs(b))
}
