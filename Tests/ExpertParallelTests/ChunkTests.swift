// SPDX-License-Identifier: Apache-2.0
// epsim: tests of exchanges in chunks of tokens.

import CostModel
import ExpertParallel
import Kernels
import MPI
import MoE
import Placement
import TestSupport
import Testing
import Timing
import Workloads

@Suite("Chunks", .serialized) @MainActor
struct ChunkTests {
  private let zipf = ZipfWorkload(
    exponent: 1.2, expertCount: 10, topK: 3, layerCount: 4, seed: 9)

  /// Every way in which chunks travel.
  private func schemes(_ chunks: [Int], combine: CombineRule = .exact) -> [ExchangeScheme] {
    [Dedup.none, .rank].flatMap { dedup in
      [Transport.allToAllV, .pointToPoint].flatMap { transport in
        chunks.flatMap { chunks in
          [true, false].map { polls in
            ExchangeScheme(
              dedup: dedup, transport: transport, wire: .f32, combine: combine, chunks: chunks,
              polls: polls)
          }
        }
      }
    }.filter { $0.contradiction == nil }
  }

  @Test("output does not depend on chunks, more of them than tokens included, polled or not")
  func digests() throws {
    for (tokens, chunks) in [(29, [1, 2, 7, 64]), (1, [1, 2]), (3, [1, 5])] {
      let digests = try Scenario(
        layers: [1, 3], tokens: tokens, steps: 2, workload: zipf,
        placements: ["contiguous", "eplb+3"], schemes: schemes(chunks)
      ).digests()
      try expectOnAllRanks(
        SharedMPI.world.rank != 0 || digests.count == 1, "\(tokens) tokens: \(digests)")
    }
  }

  @Test("chunks that are summed on their experts' ranks give the sums of one chunk")
  func sums() throws {
    // A token's copies stay together: each chunk adds up what the whole would.
    let result = try Scenario(
      layers: [2], tokens: 29, steps: 1, workload: zipf,
      schemes: schemes([1, 4, 40], combine: .preReduced), checksReference: true
    ).run(ranks: SharedMPI.world.size)
    let entries = (result?.cases ?? []).map { $0[0] }
    #expect(Set(entries.map(\.digest)).count <= 1)
    for entry in entries { #expect(entry.referenceError! < 1e-5) }
    try expectOnAllRanks(true)
  }

  @Test("routers, dropped assignments and stand-ins agree with the reference and with one chunk")
  func variations() throws {
    let ranks = SharedMPI.world.size
    for workload in [nil, DroppingRouting(inner: zipf)] as [(any RoutingSource)?] {
      let result = try Scenario(
        tokens: 23, workload: workload, schemes: schemes([1, 3]), checksReference: true
      ).run(ranks: ranks)
      let entries = (result?.cases ?? []).map { $0[0] }
      #expect(Set(entries.map(\.digest)).count <= 1)
      for entry in entries { #expect(entry.referenceError! < 1e-5, "\(entry.name)") }
    }
    let standIns = try Scenario(
      tokens: 23, workload: zipf, schemes: schemes([1, 3]), compute: .emulated(rate: 1e9)
    ).digests()
    try expectOnAllRanks(SharedMPI.world.rank != 0 || standIns.count == 1)
  }

  @Test("counters and volumes are those of one chunk, in more messages")
  func counters() throws {
    let ranks = SharedMPI.world.size
    let scenario = Scenario(
      tokens: 37, workload: zipf, nodes: 2, placements: ["eplb+6"],
      replicaChoices: [.expertRoundRobin, .nearest, .minMaxSplit, .setCover],
      schemes: schemes([1, 4]))
    guard let result = try scenario.run(ranks: ranks) else { return }
    let cases = try scenario.configuration(ranks: ranks).cases
    for (runCase, entry) in zip(cases, result.cases) where runCase.exchange.chunks > 1 {
      let plainCase = try #require(
        cases.firstIndex {
          $0.replicaChoice == runCase.replicaChoice && $0.exchange.chunks == 1
            && $0.exchange.dedup == runCase.exchange.dedup
            && $0.exchange.transport == runCase.exchange.transport
        })
      let plain = result.cases[plainCase][0]
      #expect(entry[0].traffic.map(\.values) == plain.traffic.map(\.values))
      #expect(entry[0].receivedRows == plain.receivedRows)
      for (own, whole) in zip(entry[0].volumes, plain.volumes) {
        for (own, whole) in [(own.dispatch, whole.dispatch), (own.combine, whole.combine)] {
          #expect(own.rows == whole.rows && own.bytes == whole.bytes)
          #expect(own.offNodeRows == whole.offNodeRows && own.offNodeBytes == whole.offNodeBytes)
          #expect(own.messages >= whole.messages && own.messages <= 4 * whole.messages)
          #expect(ranks == 1 || own.messages > whole.messages)
        }
      }
    }
  }

  @Test("exposed times, compute and rest make up the wall time of every rank and step")
  func accounting() throws {
    // 20 us a row: far more than what lies between the stamps of a layer and its phases.
    let perRow = 6.0 * 40 * 24
    let result = try Scenario(
      layers: [1, 2], tokens: 60, steps: 4, workload: zipf, schemes: schemes([1, 3]),
      compute: .emulated(rate: perRow / 20e-6)
    ).run(ranks: SharedMPI.world.size)
    for entry in result?.cases ?? [] {
      let timeline = entry[0].timeline
      let checks = TimelineChecks(timeline)
      #expect(checks.backwardStamps == 0 && checks.causalityViolations == 0)
      // Most of them: a rank may be put to sleep between any two stamps.
      var exceptions = 0
      for step in 0..<timeline.stepCount {
        let rows = (0..<2).map { entry[0].traffic[step].layer($0).receivedPerRank }
        for rank in 0..<timeline.rankCount {
          let wall = timeline.wallTime(rank: rank, step: step)
          #expect(timeline.otherTime(rank: rank, step: step) >= 0)
          if timeline.otherTime(rank: rank, step: step) > 0.03 * wall { exceptions += 1 }
          for layer in 0..<2 {
            // Polls are not compute; an exact stand-in may not be cut short by them either.
            let time = timeline.time(of: .expert, rank: rank, step: step, layer: layer)
            #expect(time >= 19.9 * Double(rows[layer][rank]), "\(entry[0].name)")
          }
          guard timeline.layout.hasFlights else { continue }
          for exchange in Phase.Exchange.allCases {
            let flight = timeline.flightTime(of: exchange, rank: rank, step: step)
            #expect(flight >= 0 && flight <= wall)
          }
        }
      }
      #expect(exceptions <= timeline.stepCount * timeline.rankCount / 2, "\(entry[0].name)")
    }
    try expectOnAllRanks(true)
  }
}
