// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the shape of an exchange, from counters.

import CostModel
import Placement
import Testing
import Workloads

@Suite("Shape of an exchange")
struct ExchangeShapeTests {
  private let topology = Topology(nodeOfRank: [0, 0, 1])

  /// Three ranks of two experts; slots of each rank's tokens, two per token.
  private func traffic(_ slots: [[Int32]]) throws -> LayerTraffic {
    let placement = try PlacementSpec(parsing: "contiguous").place(
      load: LoadHistogram(layers: [0], expertCount: 6), topology: topology, groups: 1,
      modelLayers: [0])
    var counters = TrafficCounters(placement: placement, topology: topology)
    for (rank, slots) in slots.enumerated() {
      slots.withUnsafeBufferPointer {
        counters.add(layerRow: 0, sourceRank: rank, slots: $0, topK: 2)
      }
    }
    return counters.total
  }

  @Test("every figure is the one that is counted by hand")
  func figures() throws {
    // Rank 0: a token with both experts of rank 1, one with experts of ranks 0 and 1.
    // Rank 1: a token with experts of ranks 1 and 2. Rank 2: one whose second is dropped, on itself.
    let shape = try #require(
      traffic([[2, 3, 0, 2], [3, 4], [5, -1]]).exchangeShape(rowBytes: 100))
    #expect(abs(shape.rowsPerRank - 7.0 / 3) < 1e-12)
    #expect(abs(shape.bytesPerRank - 700.0 / 3) < 1e-9)
    // Received: 1, 4, 2.
    #expect(abs(shape.skew - 12.0 / 7) < 1e-12)
    // 0 to 1 and 1 to 2, of six pairs.
    #expect(abs(shape.partners - 2.0 / 6) < 1e-12)
    #expect(abs(shape.offRank - 4.0 / 7) < 1e-12)
    // Copies: 1 + 2 + 2 + 1 per rank; 1 + 1 + 2 + 1 per node.
    #expect(abs(shape.rankCopies - 7.0 / 6) < 1e-12)
    #expect(abs(shape.nodeCopies - 7.0 / 5) < 1e-12)
  }

  @Test("nothing exchanged has no shape, and the mean of several is taken figure by figure")
  func edges() throws {
    #expect(try traffic([[-1, -1], [], []]).exchangeShape(rowBytes: 100) == nil)
    let (one, other) = (
      ExchangeShape(rowsPerRank: 1, rowBytes: 10),
      ExchangeShape(rowsPerRank: 3, rowBytes: 10, skew: 2)
    )
    #expect(
      ExchangeShape(meanOf: [one, other])
        == ExchangeShape(rowsPerRank: 2, rowBytes: 10, skew: 1.5))
    #expect(one.distance(to: other) == 1 && one.distance(to: one) == 0)
  }

  @Test("rows of several exchanges add up, and an open figure stays open")
  func sums() throws {
    let traffic = try traffic([[2, 3, 0, 2], [3, 4], [5, -1]])
    func rows(_ dedup: Dedup) throws -> ExpectedRows {
      try #require(traffic.expectedRows(dedup: dedup, transport: .pointToPoint, combine: .exact))
    }
    let sum = ExpectedRows(sum: [try rows(.none), try rows(.rank)])
    #expect(sum.dispatch.offRank == 4 + 3 && sum.dispatch.offNode == 1 + 1)
    #expect(sum.combine.offRank == 8)
    #expect(ExpectedRows(sum: [try rows(.none), try rows(.node)]).dispatch.offRank == nil)
  }
}
