// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the traffic matrix.

import CostModel
import Testing

@Suite struct TrafficMatrixTests {
  /// Nodes {0, 1} and {2}.
  private let topology = Topology(nodeOfRank: [0, 0, 1])
  private let matrix = TrafficMatrix(rankCount: 3, counts: [1, 2, 3, 4, 5, 6, 7, 8, 9])

  @Test func sumsAreThoseOfRowsAndColumns() {
    #expect(matrix.rowSums == [6, 15, 24])
    #expect(matrix.columnSums == [12, 15, 18])
    #expect(matrix.total == 45)
    #expect(matrix[1, 2] == 6)
  }

  @Test func copiesThatLeaveRankOrNodeAreTold() {
    #expect(matrix.local == 15)
    #expect(matrix.offRank == 30)
    // 0 and 1 to 2: 3 + 6; 2 to 0 and 1: 7 + 8.
    #expect(matrix.offNode(topology) == 24)
    #expect(matrix.offNode(Topology(ranks: 3)) == 0)
    #expect(matrix.offNode(Topology(ranks: 3, nodes: 3)) == matrix.offRank)
  }

  @Test func matricesAddUp() {
    var sum = TrafficMatrix(rankCount: 3)
    sum += matrix
    sum[0, 2] += 10
    sum += matrix
    #expect(sum[0, 2] == 16 && sum.total == 100)
  }

  @Test func rankNumbersFollowNodesInUnequalBlocks() {
    #expect(Topology(ranks: 5, nodes: 2).nodeOfRank == [0, 0, 0, 1, 1])
    #expect(Topology(ranks: 5, nodes: 2).nodeCount == 2)
  }
}
