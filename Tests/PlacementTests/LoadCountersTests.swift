// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the balance figures and of the bounds on them.

import CostModel
import Foundation
import Placement
import Testing
import Workloads

@Suite struct LoadCountersTests {
  @Test func theTwoWaysToAverageDiffer() {
    var counters = LoadCounters()
    counters.add(loads: [6, 2, 1, 3], activated: 5)  // mean 3, max 6
    counters.add(loads: [1, 1, 1, 1], activated: 9)  // mean 1, max 1
    counters.add(loads: [0, 0, 0, 0], activated: 99)  // left out
    let summary = counters.summary
    #expect(summary.maxOverMean == 7.0 / 4)
    #expect(summary.maxOverMeanLayers == 1.5)
    #expect(summary.meanOverMax == 0.75)
    // Variance of the first is (9 + 1 + 4 + 0) / 4 = 3.5.
    #expect(abs(summary.cv - 3.5.squareRoot() / 3 / 2) < 1e-15)
    #expect(summary.activatedMax == 9)
  }

  @Test func nothingIsPerfectlyBalanced() {
    let summary = LoadCounters().summary
    #expect(summary.maxOverMean == 1 && summary.meanOverMax == 1 && summary.cv == 0)
  }

  @Test func recordKeysAreTheDocumentedOnesInSnakeCase() throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let json = try encoder.encode(LoadCounters().summary)
    let keys = try JSONDecoder().decode([String: Double].self, from: json).keys.sorted()
    #expect(
      keys == ["activated_max", "cv", "max_over_mean", "max_over_mean_layers", "mean_over_max"])
  }

  @Test func layersOfAStepAreItems() throws {
    let topology = Topology(ranks: 2, nodes: 2)
    let placement = try PlacementSpec(parsing: "contiguous").place(
      load: LoadHistogram(layers: [1, 2], expertCount: 4), topology: topology, groups: 1,
      modelLayers: [])
    var traffic = TrafficCounters(placement: placement, topology: topology)
    [0, 1, 0, 2].withUnsafeBufferPointer {
      traffic.add(layerRow: 0, sourceRank: 0, slots: $0, topK: 1)
    }
    [2, 2].withUnsafeBufferPointer {
      traffic.add(layerRow: 1, sourceRank: 1, slots: $0, topK: 1)
    }
    // Loads [3, 1] and [0, 2]: (3 + 2) / (2 + 1).
    var ranks = LoadCounters()
    ranks.addRanks(of: traffic)
    #expect(ranks.summary.maxOverMean == 5.0 / 3 && ranks.summary.activatedMax == 2)
    var nodes = LoadCounters()
    nodes.addNodes(of: traffic)
    #expect(nodes.summary.maxOverMean == 5.0 / 3)
  }

  @Test func boundsAreMeanAndHeaviestReplica() {
    let heavy = LoadBound(loads: [90, 5, 5], slotOffsets: [0, 1, 2, 3, 4])
    #expect(heavy.mean == 25 && heavy.heaviestReplica == 45 && heavy.value == 45)
    let even = LoadBound(loads: [10, 10, 10, 10], slotOffsets: [0, 2, 4])
    #expect(even.mean == 20 && even.heaviestReplica == 10 && even.value == 20)
  }
}
