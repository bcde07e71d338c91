// SPDX-License-Identifier: Apache-2.0
// epsim: tests of schedules in projected exchanges, and of matrices between pairs.

import CostModel
import MoE
import Placement
import Projection
import Testing

@Suite struct ExchangeScheduleTests {
  private let network = NetworkParameters(
    inside: LinkParameters(latency: .zero, bandwidth: .gigabytes(4)),
    between: LinkParameters(latency: .zero, bandwidth: .gigabytes(1)))
  private let topology = Topology(ranks: 4, nodes: 2)

  /// Tokens of 4 ranks for 4 experts, one each.
  private func demand(_ counts: [Int]) throws -> LayerDemand {
    let placement = try ExpertPlacement(
      name: "one each", layers: [0], expertCount: 4, slotOffsets: [0, 1, 2, 3, 4],
      physicalToLogical: [[0, 1, 2, 3]])
    var counters = TrafficCounters(placement: placement, topology: topology)
    for source in 0..<4 {
      let slots = (0..<4).flatMap { Array(repeating: Int32($0), count: counts[source * 4 + $0]) }
      slots.withUnsafeBufferPointer {
        counters.add(layerRow: 0, sourceRank: source, slots: $0, topK: 1)
      }
    }
    return LayerDemand(
      counters, layerRow: 0,
      tokensPerRank: (0..<4).map { counts[$0 * 4..<$0 * 4 + 4].reduce(0, +) })
  }

  private let projected = ProjectedCase(
    model: ModelShape(
      name: "m", source: "s", hiddenSize: 100, expertFFNSize: 10, expertCount: 4, topK: 1,
      layerCount: 1, router: RouterRule(score: .softmax, renormalises: true)),
    dispatchBytes: Bytes(1000), combineBytes: Bytes(2000), elementBytes: 2, compute: .none)

  private func step(_ counts: [Int], _ schedule: ExchangeSchedule) throws -> ProjectedStep {
    let demand = try demand(counts)
    var loads = LayerLoads(demand, of: projected)
    try loads.follow(schedule, demand, of: projected, network: network)
    var projector = StepProjector(
      projected, network: network,
      ranks: Array(repeating: RankParameters(efficiencies: [], memory: .infinity), count: 4),
      topology: topology)
    return projector.step(loads: [loads])
  }

  private let uniform = Array(repeating: 10, count: 16)
  /// The rows of one rank all go to one other, elsewhere they are few.
  private let skewed = [0, 1, 90, 1, 5, 5, 5, 5, 7, 0, 3, 40, 1, 60, 1, 2]

  @Test func noScheduleBeatsTheBound() throws {
    for counts in [uniform, skewed] {
      let bound = try step(counts, .bound)
      for schedule in ExchangeSchedule.allCases {
        let followed = try step(counts, schedule)
        #expect(followed.time.value >= bound.time.value * (1 - 1e-12), "\(schedule)")
      }
    }
  }

  @Test func flowsOfUniformTrafficReachTheBound() throws {
    let (bound, flows) = (try step(uniform, .bound), try step(uniform, .flows))
    #expect(abs(flows.time / bound.time - 1) < 1e-3)
  }

  @Test func transfersTakeWhatTheScheduleTakes() throws {
    let demand = try demand(skewed)
    let schedule = AllToAllSchedule(.pairwise, topology, network)
    let there = schedule.times(of: demand.traffic.raw, bytesPerCopy: Bytes(1000))
    let followed = try step(skewed, .pairwise)
    // All enter dispatch at once.
    #expect(abs(followed.ranks.largest(.dispatchTransfer) / there.total - 1) < 1e-9)
    #expect(followed.time > (try step(skewed, .bound)).time)
  }

  @Test func matricesHoldBothWays() throws {
    var matrix = ByteMatrix(rankCount: 4)
    matrix.add(try demand(skewed), of: projected)
    for source in 0..<4 {
      for destination in 0..<4 {
        let (there, back) = (skewed[source * 4 + destination], skewed[destination * 4 + source])
        #expect(matrix.bytes[source * 4 + destination] == Double(there * 1000 + back * 2000))
      }
    }
    let csv = String(decoding: try matrix.encoded(forPath: "m.csv"), as: UTF8.self)
    #expect(csv.split(separator: "\n").count == 4)
    #expect(csv.hasPrefix("0,11000,104000,3000\n"))
    let npy = try matrix.encoded(forPath: "m.npy")
    #expect(Array(npy[..<8]) == [0x93] + Array("NUMPY".utf8) + [1, 0])
    let start = 10 + Int(npy[8]) + 256 * Int(npy[9])
    #expect(start % 64 == 0 && npy.count == start + 16 * 8)
    let first = npy[(start + 8)..<(start + 16)].reversed().reduce(UInt64(0)) {
      $0 << 8 | UInt64($1)
    }
    #expect(Double(bitPattern: first) == 11_000)
    #expect(throws: InputError.self) { try matrix.encoded(forPath: "m.txt") }
  }
}
