// SPDX-License-Identifier: Apache-2.0
// epsim: what nodes exchange, all their ranks together.

public import CostModel

/// Bytes between nodes and inside them, and the pairs of ranks that they are spread over.
///
/// The pairs of two nodes are taken as equal flows. That is exact where they are; where they are
/// not, ports of one node help each other out, which the port bound of the ranks makes up for.
public struct NodeTraffic: Sendable {
  /// Bytes and the pairs of ranks that carry them.
  struct Share: Sendable {
    var bytes = 0.0
    var pairs = 0.0

    /// What one pair carries, over all of several shares.
    static func meanMessage(_ shares: [Share]) -> Bytes {
      Bytes(shares.reduce(0) { $0 + $1.bytes } / max(1, shares.reduce(0) { $0 + $1.pairs }))
    }

    mutating func add(_ bytes: Double) {
      self.bytes += bytes
      pairs += 1
    }
  }

  /// [N, N] between ranks on the same rail; all traffic between nodes where there are no rails.
  var straight: [Share]
  /// [N, N] between ranks on different rails.
  var crossing: [Share]
  /// [N]
  var inside: [Share]
  let nodeCount: Int

  private init(nodeCount: Int) {
    self.nodeCount = nodeCount
    straight = Array(repeating: Share(), count: nodeCount * nodeCount)
    crossing = straight
    inside = Array(repeating: Share(), count: nodeCount)
  }

  /// Sums up the traffic between ranks.
  /// - Precondition: traffic and fabric have the same ranks.
  public init(of traffic: TrafficMatrix, bytesPerCopy: Bytes, on fabric: FlowFabric) {
    let ranks = fabric.topology.rankCount
    precondition(traffic.rankCount == ranks, "\(traffic.rankCount) ranks for \(ranks)")
    self.init(nodeCount: fabric.topology.nodeCount)
    let nodes = fabric.topology.nodeOfRank
    let rails = (0..<ranks).map(fabric.switchRail)
    for source in 0..<ranks {
      let row = nodes[source] * nodeCount
      for destination in 0..<ranks where source != destination {
        let copies = traffic[source, destination]
        guard copies > 0 else { continue }
        let bytes = bytesPerCopy.value * Double(copies)
        if nodes[source] == nodes[destination] {
          inside[nodes[source]].add(bytes)
        } else if rails[source] == rails[destination] {
          straight[row + nodes[destination]].add(bytes)
        } else {
          crossing[row + nodes[destination]].add(bytes)
        }
      }
    }
  }

  /// Traffic between nodes, spread evenly over their ranks.
  /// - Parameter bytes: [N, N], row = source; what a node sends to itself moves inside it.
  /// - Precondition: N x N finite numbers, none negative.
  public init(bytes: [Double], on fabric: FlowFabric) {
    self.init(nodeCount: fabric.topology.nodeCount)
    precondition(
      bytes.count == nodeCount * nodeCount && bytes.allSatisfy { $0 >= 0 && $0 < .infinity },
      "\(bytes.count) numbers for \(nodeCount) nodes")
    // [N, rails] ranks of each node on each rail.
    let rails = fabric.ranksOfNode.map { ranks in
      var counts = [Double](repeating: 0, count: fabric.leavesPerPod)
      for rank in ranks { counts[fabric.switchRail(rank)] += 1 }
      return counts
    }
    for source in 0..<nodeCount {
      let sourceRanks = Double(fabric.ranksOfNode[source].count)
      for destination in 0..<nodeCount {
        let sum = bytes[source * nodeCount + destination]
        guard sum > 0 else { continue }
        guard source != destination else {
          let pairs = sourceRanks * (sourceRanks - 1)
          if pairs > 0 { inside[source] = Share(bytes: sum, pairs: pairs) }
          continue
        }
        let pairs = sourceRanks * Double(fabric.ranksOfNode[destination].count)
        let same = zip(rails[source], rails[destination]).reduce(0) { $0 + $1.0 * $1.1 }
        let index = source * nodeCount + destination
        straight[index] = Share(bytes: sum * same / pairs, pairs: same)
        crossing[index] = Share(bytes: sum * (1 - same / pairs), pairs: pairs - same)
      }
    }
  }

  /// Mean message of a pair of ranks between nodes.
  var betweenMessage: Bytes { Share.meanMessage(straight + crossing) }
  /// Mean message of a pair of ranks inside a node.
  var insideMessage: Bytes { Share.meanMessage(inside) }
}
