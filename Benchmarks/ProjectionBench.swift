// SPDX-License-Identifier: Apache-2.0
// epsim: how quickly layers of clusters that are not there are computed, on one core.

import CostModel
import Foundation
import MPI
import MoE
import Projection
import Reporting
import Timing

/// Layers and exchanges of up to 4096 ranks, each within the time that a sweep can wait for.
///
/// The machines are made up of datasheet-like numbers, the traffic is skewed and seeded. Only rank 0
/// computes; times are medians, inputs are made outside of them.
struct ProjectionBench {
  private static let repetitions = 5

  private let rank = RankParameters(
    efficiencies: [
      .init(rows: 1, rate: FlopsPerSecond(1e13)), .init(rows: 256, rate: FlopsPerSecond(5e14)),
    ], memory: .gigabytes(3350), copies: .gigabytes(1000))
  private let widths = ExpertWidths(hiddenSize: 7168, ffnSize: 2048)
  private let copy = Bytes(7392)
  private let random = CounterRandom(seed: 4, 2)

  func run(on comm: borrowing Communicator) throws -> [BenchResult] {
    guard comm.rank == 0 else { return [] }
    return [
      expertCounts(), denseMatrix(), sums(), try flows(), try star(), evaluations(),
    ]
  }

  /// 61 layers on 1024 ranks from source-by-expert counts.
  private func expertCounts() -> BenchResult {
    let counts = skewedCounts(ranks: 1024, slots: 256)
    let homes = (0..<256).map { $0 * 4 }
    var model = model(ranks: 1024, nodes: 128)
    return result("61 layers x 1024 ranks, 256 experts, source-by-expert counts", most: 0.1) {
      for _ in 0..<61 {
        let loads = PortLoads(
          counts, rankOfSlot: homes, topology: model.topology, bytesPerCopy: copy)
        let sums = counts.sums
        _ = model.time(
          assignments: sums.perSource, loads: loads,
          slots: SlotLoads(perSlot: sums.perSlot, rankOfSlot: homes, rankCount: 1024))
      }
    }
  }

  /// A layer on 4096 ranks whose pairs all differ.
  private func denseMatrix() -> BenchResult {
    let traffic = skewedTraffic(ranks: 4096)
    var model = model(ranks: 4096, nodes: 512)
    return result("1 layer x 4096 ranks, dense skewed matrix", most: 1) {
      let loads = PortLoads(traffic, topology: model.topology, bytesPerCopy: copy)
      let received = traffic.columnSums.map { Double($0) }
      _ = model.time(
        assignments: traffic.rowSums.map { Double($0) }, loads: loads,
        slots: SlotLoads(perSlot: received, rankOfSlot: Array(0..<4096), rankCount: 4096))
    }
  }

  /// 61 layers on 4096 ranks whose traffic is known by row and column sums.
  private func sums() -> BenchResult {
    let (ranks, nodes) = (4096, 512)
    let perNode = (0..<ranks * nodes).map { 100 * random.unit(at: UInt64($0)) }
    let own = (0..<ranks).map { 10 * random.unit(at: UInt64($0)) }
    let received = (0..<ranks).map { 1000 * random.unit(at: UInt64($0)) }
    var model = model(ranks: ranks, nodes: nodes)
    return result("61 layers x 4096 ranks, row and column sums", most: 1) {
      for _ in 0..<61 {
        let loads = PortLoads(
          sent: perNode, received: perNode, own: own, topology: model.topology, bytesPerCopy: copy)
        _ = model.time(
          assignments: received, loads: loads,
          slots: SlotLoads(perSlot: received, rankOfSlot: Array(0..<ranks), rankCount: ranks))
      }
    }
  }

  /// Max-min shared flows of a layer on 4096 ranks under leaves of 2 : 1.
  private func flows() throws -> BenchResult {
    let traffic = skewedTraffic(ranks: 4096)
    let leaf = NetworkParameters.LeafLevel(
      nodesPerLeaf: 16, uplinks: .gigabytes(45 * 16 * 8 / 2))
    let fabric = try FlowFabric(Topology(ranks: 4096, nodes: 512), network(leaf))
    return try result("1 exchange x 4096 ranks, shared flows, leaves 2:1", most: 30, times: 1) {
      _ = try FlowExchange(of: traffic, bytesPerCopy: copy, on: fabric)
    }
  }

  /// An all-to-all among 256 hosts of a star.
  private func star() throws -> BenchResult {
    let traffic = TrafficMatrix(
      rankCount: 256, counts: Array(repeating: 100, count: 256 * 256))
    let fabric = try FlowFabric(Topology(ranks: 256, nodes: 256), network(nil))
    return try result("all-to-all of 256 hosts of a star, shared flows", most: 0.01) {
      _ = try FlowExchange(of: traffic, bytesPerCopy: copy, on: fabric)
    }
  }

  /// A layer of 64 ranks, evaluated again and again from source-by-expert counts.
  private func evaluations() -> BenchResult {
    let counts = skewedCounts(ranks: 64, slots: 256)
    let homes = (0..<256).map { $0 / 4 }
    var model = model(ranks: 64, nodes: 8)
    let number = 1000
    return result("1000 evaluations of 64 ranks x 256 experts", most: 0.1) {
      for _ in 0..<number {
        let loads = PortLoads(
          counts, rankOfSlot: homes, topology: model.topology, bytesPerCopy: copy)
        let sums = counts.sums
        _ = model.time(
          assignments: sums.perSource, loads: loads,
          slots: SlotLoads(perSlot: sums.perSlot, rankOfSlot: homes, rankCount: 64))
      }
    }
  }

  private func network(_ leaves: NetworkParameters.LeafLevel?) -> NetworkParameters {
    NetworkParameters(
      fixed: .microseconds(5), perNodeShare: .microseconds(3),
      inside: LinkParameters(latency: .microseconds(1), bandwidth: .gigabytes(160)),
      between: LinkParameters(latency: .microseconds(3), bandwidth: .gigabytes(45)), leaves: leaves)
  }

  private func model(ranks: Int, nodes: Int) -> LayerModel {
    LayerModel(
      network(nil), topology: Topology(ranks: ranks, nodes: nodes),
      ranks: Array(repeating: rank, count: ranks), widths: widths, dispatchBytes: copy,
      combineBytes: Bytes(14336))
  }

  private func skewedCounts(ranks: Int, slots: Int) -> SourceCounts {
    SourceCounts(
      rankCount: ranks, slotCount: slots,
      values: (0..<ranks * slots).map { (64 * random.unit(at: UInt64($0))).rounded(.down) })
  }

  /// Some ranks get up to five times what others get.
  private func skewedTraffic(ranks: Int) -> TrafficMatrix {
    let heat = (0..<ranks).map { 0.5 + 2 * random.unit(at: UInt64(1 << 40 + $0)) }
    return TrafficMatrix(
      rankCount: ranks,
      counts: (0..<ranks * ranks).map {
        Int(100 * heat[$0 % ranks] * (0.5 + random.unit(at: UInt64($0))))
      })
  }

  private func result(
    _ name: String, most bound: Double, times repetitions: Int = Self.repetitions,
    _ work: () throws -> Void
  ) rethrows -> BenchResult {
    var times: [Double] = []
    for repetition in 0...repetitions where repetition > 0 || repetitions > 1 {
      let start = MonotonicClock.now()
      try work()
      let time = Double(MonotonicClock.now() - start) / 1e9
      if repetition > 0 { times.append(time) }
    }
    let median = Estimate(times).median
    func text(_ seconds: Double) -> String { Quantity.significant(seconds * 1e3) + " ms" }
    return BenchResult(
      name: name, measured: text(median), limit: text(bound),
      share: Quantity.percent(median / bound), bound: "at most the limit", holds: median <= bound)
  }
}
