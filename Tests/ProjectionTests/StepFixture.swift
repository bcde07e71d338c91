// SPDX-License-Identifier: Apache-2.0
// epsim: small steps for tests.

import CostModel
import Foundation
import MoE
import Placement
import Projection

/// Tokens of some layers, each with the slots that it goes to.
struct StepFixture {
  var topology: Topology
  /// [R + 1]
  var slotOffsets: [Int]
  /// [layers][R][tokens][choices] slots; -1 for none.
  var layers: [[[[Int32]]]]

  var rankCount: Int { topology.rankCount }
  func rank(ofSlot slot: Int32) -> Int { slotOffsets.lastIndex { $0 <= Int(slot) }! }

  /// Tokens with choices drawn without replacement.
  init(
    topology: Topology, slotsPerRank: Int = 3, tokensPerRank: [Int], choices: Int, layers: Int,
    seed: UInt64
  ) {
    self.topology = topology
    slotOffsets = (0...topology.rankCount).map { $0 * slotsPerRank }
    let slots = topology.rankCount * slotsPerRank
    self.layers = (0..<layers).map { layer in
      tokensPerRank.enumerated().map { rank, tokens in
        (0..<tokens).map { token in
          let random = CounterRandom(seed: seed, UInt64(layer), UInt64(rank), UInt64(token))
          // Squared: the first slots are chosen more often.
          let keys = (0..<slots).map { pow(random.unit(at: UInt64($0)), 1 + Double($0)) }
          return (0..<slots).sorted { keys[$0] > keys[$1] }.prefix(choices).map { Int32($0) }
        }
      }
    }
  }

  /// What the projector is given.
  func demands() throws -> [LayerDemand] {
    let slots = slotOffsets.last!
    let placement = try ExpertPlacement(
      name: "fixture", layers: Array(layers.indices), expertCount: slots, slotOffsets: slotOffsets,
      physicalToLogical: layers.map { _ in (0..<slots).map { Int32($0) } })
    var counters = TrafficCounters(placement: placement, topology: topology)
    for (row, layer) in layers.enumerated() {
      for (rank, tokens) in layer.enumerated() {
        tokens.flatMap { $0 }.withUnsafeBufferPointer {
          counters.add(
            layerRow: row, sourceRank: rank, slots: $0, topK: max(1, tokens.first?.count ?? 1))
        }
      }
    }
    return layers.indices.map {
      LayerDemand(counters, layerRow: $0, tokensPerRank: layers[$0].map(\.count))
    }
  }

  /// The ranks renamed within their nodes: rank r becomes `names[r]`.
  func relabelled(_ names: [Int]) -> StepFixture {
    var copy = self
    let width = slotOffsets[1]
    copy.layers = layers.map { layer in
      var moved = layer
      for (rank, tokens) in layer.enumerated() {
        moved[names[rank]] = tokens.map { token in
          token.map { $0 < 0 ? $0 : Int32(names[Int($0) / width] * width) + $0 % Int32(width) }
        }
      }
      return moved
    }
    return copy
  }
}

/// A small model on a small cluster.
enum SmallStep {
  static let model = ModelShape(
    name: "small", source: "made up", hiddenSize: 64, expertFFNSize: 32, expertCount: 12, topK: 3,
    sharedExpertCount: 1, layerCount: 2, router: RouterRule(score: .softmax, renormalises: true))

  static let network = NetworkParameters(
    fixed: .microseconds(3),
    inside: LinkParameters(latency: .microseconds(1), bandwidth: .gigabytes(2)),
    between: LinkParameters(latency: .microseconds(7), bandwidth: .gigabytes(0.5)))

  /// Ranks that differ: rank 1 is slow.
  static func ranks(_ count: Int) -> [RankParameters] {
    (0..<count).map {
      RankParameters(
        efficiencies: [.init(rows: 1, rate: FlopsPerSecond(2e9))], memory: .gigabytes(1),
        fixed: .microseconds(2), copies: .gigabytes(0.7), perAssignment: .microseconds(0.05),
        speed: $0 == 1 ? 0.5 : 1)
    }
  }

  static func projected(
    _ dedup: Dedup = .none, _ combine: CombineRule = .exact
  ) -> ProjectedCase {
    ProjectedCase(
      model: model, dedup: dedup, combine: combine, dispatchBytes: Bytes(140),
      combineBytes: Bytes(256), elementBytes: 2)
  }

  static func fixture(_ topology: Topology, seed: UInt64 = 5) -> StepFixture {
    StepFixture(
      topology: topology, tokensPerRank: (0..<topology.rankCount).map { 4 + 3 * ($0 % 2) },
      choices: 3, layers: 2, seed: seed)
  }

  static func step(
    _ projected: ProjectedCase, _ fixture: StepFixture, _ network: NetworkParameters = network,
    ranks: [RankParameters]? = nil
  ) throws -> ProjectedStep {
    var projector = StepProjector(
      projected, network: network, ranks: ranks ?? Self.ranks(fixture.rankCount),
      topology: fixture.topology)
    return projector.step(try fixture.demands())
  }
}
