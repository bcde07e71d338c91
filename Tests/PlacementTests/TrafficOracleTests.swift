// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the traffic counters against exact counts of the real traces.

import CostModel
import Foundation
import Placement
import Testing
import Workloads

/// One entry of `traffic/traffic.json`.
private struct TrafficEntry: Decodable {
  struct Layer: Decodable {
    var layer: Int
    var assignments: Int
    var local: Int
    var recvMax: Int
    var dedupTokenGpuPairs: Int
    var dedupRecvMax: Int
    var dedupRemoteGpuPairs: Int
    var dedupRemoteNodePairs: Int
    var meanGpusPerToken: Double
    var meanNodesPerToken: Double
  }

  var dataset: String
  var tokens: Int
  var layers: Int
  var topk: Int
  var gpus: Int
  var nodes: Int
  var placement: String
  var layer1SendMatrix: [[Int]]?
  var layer1SendMatrixDedup: [[Int]]?
  var perLayer: [Layer]
  var sumLocal: Int
  var sumDedupTokenGpuPairs: Int
  var sumDedupRemoteGpuPairs: Int
  var sumDedupRemoteNodePairs: Int
  var meanGpusPerToken: Double
  var meanNodesPerToken: Double
}

@Suite struct TrafficOracleTests {
  @Test func everyNumberIsReproduced() throws {
    let entries = try Fixtures.json("traffic/traffic.json", as: [TrafficEntry].self)
    #expect(entries.count == 8)
    let traces = try ["law": Fixtures.trace("law"), "intent": Fixtures.trace("intent")]
    for entry in entries { try check(entry, trace: traces[entry.dataset]!) }
  }

  private func check(_ entry: TrafficEntry, trace: RoutingTrace) throws {
    let topology = Topology(ranks: entry.gpus, nodes: entry.nodes)
    let layers = Array(trace.layers)
    #expect(trace.tokenCount == entry.tokens && trace.topK == entry.topk)
    #expect(layers.count == entry.layers)
    let map = Fixtures.path("eplb-oracle/esft_\(entry.dataset)_ep8_r0.phy2log.csv")
    let placement = try PlacementSpec(
      parsing: entry.placement == "contiguous" ? "contiguous" : map
    ).place(
      load: LoadHistogram(layers: layers, expertCount: trace.expertCount), topology: topology,
      groups: 1, modelLayers: layers)
    let counters = WorkloadTraffic(
      source: TraceWorkload(
        trace: trace, tokens: 0..<trace.tokenCount, windowSize: trace.tokenCount),
      placement: placement, topology: topology, choice: .expertRoundRobin
    ).counters(
      step: 0,
      rankOfPosition: try TokenAssignment.roundRobin.ranks(
        tokenCount: trace.tokenCount, rankCount: entry.gpus))

    for (row, expected) in entry.perLayer.enumerated() {
      let layer = counters.layer(row)
      #expect(layers[row] == expected.layer)
      #expect(layer.tokens == entry.tokens)
      #expect(layer.assignments == expected.assignments)
      #expect(layer.local == expected.local)
      #expect(layer.receivedPerRank.max() == expected.recvMax)
      #expect(layer.tokenRankPairs == expected.dedupTokenGpuPairs)
      #expect(layer.rankDedupReceivedPerRank.max() == expected.dedupRecvMax)
      #expect(layer.offRankRankDedup == expected.dedupRemoteGpuPairs)
      #expect(layer.offNodeNodeDedup == expected.dedupRemoteNodePairs)
      #expect(abs(layer.fanOutRanks - expected.meanGpusPerToken) <= 1e-6)
      #expect(abs(layer.fanOutNodes - expected.meanNodesPerToken) <= 1e-6)
    }
    if let matrix = entry.layer1SendMatrix, let dedup = entry.layer1SendMatrixDedup {
      #expect(counters.layer(0).raw.counts == matrix.flatMap { $0 })
      #expect(counters.layer(0).rankDedup.counts == dedup.flatMap { $0 })
    }
    let total = counters.total
    #expect(total.local == entry.sumLocal)
    #expect(total.tokenRankPairs == entry.sumDedupTokenGpuPairs)
    #expect(total.offRankRankDedup == entry.sumDedupRemoteGpuPairs)
    #expect(total.offNodeNodeDedup == entry.sumDedupRemoteNodePairs)
    #expect(abs(total.fanOutRanks - entry.meanGpusPerToken) <= 1e-6)
    #expect(abs(total.fanOutNodes - entry.meanNodesPerToken) <= 1e-6)
  }
}
