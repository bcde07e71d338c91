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
    var recv_max: Int
    var dedup_token_gpu_pairs: Int
    var dedup_recv_max: Int
    var dedup_remote_gpu_pairs: Int
    var dedup_remote_node_pairs: Int
    var mean_gpus_per_token: Double
    var mean_nodes_per_token: Double
  }

  var dataset: String
  var tokens: Int
  var layers: Int
  var topk: Int
  var gpus: Int
  var nodes: Int
  var placement: String
  var layer1_send_matrix: [[Int]]?
  var layer1_send_matrix_dedup: [[Int]]?
  var per_layer: [Layer]
  var sum_local: Int
  var sum_dedup_token_gpu_pairs: Int
  var sum_dedup_remote_gpu_pairs: Int
  var sum_dedup_remote_node_pairs: Int
  var mean_gpus_per_token: Double
  var mean_nodes_per_token: Double
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

    for (row, expected) in entry.per_layer.enumerated() {
      let layer = counters.layer(row)
      #expect(layers[row] == expected.layer)
      #expect(layer.tokens == entry.tokens)
      #expect(layer.assignments == expected.assignments)
      #expect(layer.local == expected.local)
      #expect(layer.receivedPerRank.max() == expected.recv_max)
      #expect(layer.tokenRankPairs == expected.dedup_token_gpu_pairs)
      #expect(layer.rankDedupReceivedPerRank.max() == expected.dedup_recv_max)
      #expect(layer.offRankRankDedup == expected.dedup_remote_gpu_pairs)
      #expect(layer.offNodeNodeDedup == expected.dedup_remote_node_pairs)
      #expect(abs(layer.fanOutRanks - expected.mean_gpus_per_token) <= 1e-6)
      #expect(abs(layer.fanOutNodes - expected.mean_nodes_per_token) <= 1e-6)
    }
    if let matrix = entry.layer1_send_matrix, let dedup = entry.layer1_send_matrix_dedup {
      #expect(counters.layer(0).raw.counts == matrix.flatMap { $0 })
      #expect(counters.layer(0).rankDedup.counts == dedup.flatMap { $0 })
    }
    let total = counters.total
    #expect(total.local == entry.sum_local)
    #expect(total.tokenRankPairs == entry.sum_dedup_token_gpu_pairs)
    #expect(total.offRankRankDedup == entry.sum_dedup_remote_gpu_pairs)
    #expect(total.offNodeNodeDedup == entry.sum_dedup_remote_node_pairs)
    #expect(abs(total.fanOutRanks - entry.mean_gpus_per_token) <= 1e-6)
    #expect(abs(total.fanOutNodes - entry.mean_nodes_per_token) <= 1e-6)
  }
}
