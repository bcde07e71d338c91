// SPDX-License-Identifier: Apache-2.0
// epsim: tokens written out one by one, and small random instances of them.

import CostModel
import MoE
import Placement
import Workloads

/// One layer, 0, of one step: the experts of each token, all of equal number.
struct ListedTokens: RoutingSource {
  let name = "listed"
  let expertCount: Int
  let topK: Int
  /// [T] source rank of each token.
  let sources: [Int32]
  let experts: [[Int32]]

  init(expertCount: Int, _ tokens: [(source: Int, experts: [Int32])]) {
    self.expertCount = expertCount
    topK = tokens.first?.experts.count ?? 1
    sources = tokens.map { Int32($0.source) }
    experts = tokens.map(\.experts)
  }

  /// One token with one choice for each assignment, counted by source and expert.
  init(counts: [[Int]]) {
    self.init(
      expertCount: counts[0].count,
      counts.enumerated().flatMap { source, row in
        row.enumerated().flatMap { expert, count in
          Array(repeating: (source: source, experts: [Int32(expert)]), count: count)
        }
      })
  }

  func hasLayer(_ layer: Int) -> Bool { layer == 0 }

  func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    for token in 0..<decision.tokenCount {
      for (k, expert) in experts[Int(positions[token])].enumerated() {
        decision.expertIndices[token * topK + k] = expert
        decision.routingWeights[token * topK + k] = 1
      }
    }
  }

  /// [R, E] assignments.
  func counts(rankCount: Int) -> [Int32] {
    var counts = Array(repeating: Int32(0), count: rankCount * expertCount)
    for (source, experts) in zip(sources, experts) {
      for expert in experts where expert >= 0 {
        counts[Int(source) * expertCount + Int(expert)] += 1
      }
    }
    return counts
  }

  /// [E] assignments.
  var load: [Int] {
    experts.joined().reduce(into: Array(repeating: 0, count: expertCount)) {
      if $1 >= 0 { $0[Int($1)] += 1 }
    }
  }

  func counters(
    _ placement: ExpertPlacement, _ topology: Topology, _ choice: ReplicaChoice
  ) -> TrafficCounters {
    WorkloadTraffic(source: self, placement: placement, topology: topology, choice: choice)
      .counters(step: 0, rankOfPosition: sources)
  }
}

/// Tokens, a placement with replicas and ranks on nodes, drawn from a number.
struct RandomInstance {
  let topology: Topology
  let placement: ExpertPlacement
  let tokens: ListedTokens

  init(_ number: Int, ranks: ClosedRange<Int>, experts: ClosedRange<Int>, tokens: Int) throws {
    let random = CounterRandom(seed: 41, UInt64(number))
    var position: UInt64 = 0
    func draw(_ range: ClosedRange<Int>) -> Int {
      position += 1
      return range.lowerBound + Int(random.bits(at: position) % UInt64(range.count))
    }
    let rankCount = draw(ranks)
    topology = Topology(ranks: rankCount, nodes: draw(1...rankCount))
    let expertCount = draw(experts)
    let slotCount = expertCount + draw(0...expertCount + 2)
    // Some ranks hold nothing, some an expert twice.
    let ends = (1..<rankCount).map { _ in draw(0...slotCount) }.sorted()
    placement = try ExpertPlacement(
      name: "random", layers: [0], expertCount: expertCount, slotOffsets: [0] + ends + [slotCount],
      physicalToLogical: [
        (0..<slotCount).map { Int32($0 < expertCount ? $0 : draw(0...expertCount - 1)) }
          .enumerated().sorted {
            (random.bits(at: 1000 + UInt64($0.offset)), $0.offset)
              < (random.bits(at: 1000 + UInt64($1.offset)), $1.offset)
          }.map(\.element)
      ])
    let topK = draw(1...min(3, expertCount))
    // Low numbers are chosen more often; a quarter of the choices is dropped in some instances.
    let drops = draw(0...3) == 0
    self.tokens = ListedTokens(
      expertCount: expertCount,
      (0..<tokens).map { _ in
        var chosen: [Int32] = []
        while chosen.count < topK {
          let expert = Int32(min(draw(0...expertCount - 1), draw(0...expertCount - 1)))
          if !chosen.contains(expert) { chosen.append(expert) }
        }
        if drops { chosen = chosen.map { draw(0...3) == 0 ? -1 : $0 } }
        return (draw(0...rankCount - 1), chosen)
      })
  }

  /// The ranks that hold an expert.
  func hosts(of expert: Int) -> [Int] {
    Set(
      placement.physicalToLogical[0].indices
        .filter { Int(placement.physicalToLogical[0][$0]) == expert }
        .map { placement.rank(ofSlot: $0) }
    ).sorted()
  }

  func counters(_ choice: ReplicaChoice) -> TrafficCounters {
    tokens.counters(placement, topology, choice)
  }
}
