// SPDX-License-Identifier: Apache-2.0
// epsim: a case whose stamps, counters and volumes can be checked by hand.

import CostModel
import Placement
import Reporting
import Timing
import Workloads

struct CaseRecordFixture {
  /// Two ranks, one layer. Phase times in microseconds; rank 1 computes longer.
  ///
  /// Both ranks enter dispatch at 4 and leave it at 10. Rank 0 computes 20 and enters combine at
  /// 35, rank 1 computes 60 and enters at 75; both leave combine at 85.
  ///
  /// With flights, dispatch is under way from 5 to 12 and combine from 30 to 84 on both ranks.
  func timeline(steps: Int, scale: Int64 = 1000, hasFlights: Bool = false) -> CaseTimeline {
    // Ends of the phases; own rows take 2 of the 10 that combine takes after the last entry.
    let ranks: [[LayerStamp: Int64]] = [31, 71].map { expertEnd in
      [
        .layerStart: 0, .begin: 0, .route: 1, .plan: 2, .pack: 4, .dispatchEntered: 4,
        .dispatchArrived: 10, .dispatch: 10, .group: 11, .expert: expertEnd,
        .shared: expertEnd + 3, .ungroup: expertEnd + 4, .combineEntered: expertEnd + 4,
        .combineArrived: 83, .combine: 85, .reduce: 90, .layerEnd: 90,
      ]
    }
    var timeline = CaseTimeline(
      layout: StampLayout(layerCount: 1, hasFlights: hasFlights), rankCount: 2)
    let flights: [Int64] = hasFlights ? [5, 12, 30, 84] : []
    for step in 0..<Int64(steps) {
      timeline.append(
        stampsOfRank: ranks.map { stamps in
          ([0] + LayerStamp.allCases.map { stamps[$0]! } + flights + [90]).map {
            ($0 + 1000 * step) * scale
          }
        }, clockErrors: [20, 20])
    }
    return timeline
  }

  /// Two experts on two ranks; rank 0 sends 3 tokens with top-1: one stays, two leave.
  func traffic(steps: Int) throws -> (ExpertPlacement, [TrafficCounters]) {
    let placement = try PlacementSpec(parsing: "contiguous").place(
      load: LoadHistogram(layers: [0], expertCount: 2), topology: Topology(ranks: 2), groups: 1,
      modelLayers: [0])
    var counters = TrafficCounters(placement: placement, topology: Topology(ranks: 2))
    let slots: [Int32] = [0, 1, 1]
    slots.withUnsafeBufferPointer {
      counters.add(layerRow: 0, sourceRank: 0, slots: $0, topK: 1)
    }
    return (placement, Array(repeating: counters, count: steps))
  }

  /// Two rows leave in one message of 204 bytes, and one sum of them returns.
  var volume: ExchangeVolume {
    var volume = ExchangeVolume()
    volume.dispatch.add(rows: 2, bytes: 204, leavesNode: false)
    volume.combine.add(rows: 1, bytes: 208, leavesNode: false)
    return volume
  }

  func record(
    steps: Int, base: [Double]? = nil, scale: Int64 = 1000, chunks: Int = 1
  ) throws -> CaseRecord {
    let (placement, counters) = try traffic(steps: steps)
    return CaseRecord(
      CaseMeasurement(
        name: "case", placement: placement,
        options: CaseMeasurement.Options(
          placement: "contiguous", isFitted: false, replicaChoice: "expert-rr",
          routing: CaseMeasurement.Routing(topK: 1),
          exchange: CaseMeasurement.Exchange(wire: "bf16", chunks: chunks)),
        block: 0,
        timeline: timeline(steps: steps, scale: scale, hasFlights: chunks > 1),
        traffic: counters,
        volumes: Array(repeating: volume, count: steps), digest: 0xAB,
        referenceError: nil, referenceTokens: 0, rowBytes: (dispatch: 100, combine: 200),
        expertBytes: 1000, weightLayerCount: 1, groupSteps: [steps - 1, 1], stampCost: 30),
      base: base)
  }

  func runRecord(_ cases: [CaseRecord]) -> RunRecord {
    RunRecord(
      created: "", command: [],
      environment: RunRecord.Environment(
        epsim: "", mpi: "", backend: "", isa: "", ranks: 2, nodes: 1, hosts: [],
        cores: 2, functionalOnly: false, threads: 1, clockErrorUs: 0.04,
        clocks: [], causality: RunRecord.Causality(checks: 0, violations: 0)),
      model: RunRecord.Model(
        name: "", source: "", hiddenSize: 1, expertFfnSize: 1, experts: 2, topK: 1,
        sharedExperts: 0, layers: [0], dtype: "f32", weights: "shared"),
      workload: RunRecord.Workload(
        name: "", kind: "router", tokensPerStep: 3, stepTokens: [3], assignment: "block", fit: "",
        judged: "",
        judgedTokens: nil, warmupSteps: 0, measuredSteps: 8, seed: 1),
      complete: true, groups: [], cases: cases)
  }
}
