// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what must hold of computed steps, whatever the case.

import CostModel
import MoE
import Projection
import Testing

@Suite struct StepPropertyTests {
  @Test func moreNeverTakesLess() throws {
    for seed in 0..<12 as Range<UInt64> {
      let random = CounterRandom(seed: 40, seed)
      let fixture = SmallStep.fixture(Topology(ranks: 4, nodes: 2), seed: seed)
      for dedup in Dedup.allCases {
        let projected = SmallStep.projected(dedup, random.unit(at: 0) < 0.5 ? .exact : .preReduced)
        let time = try SmallStep.step(projected, fixture).time
        let factor = 1 + 3 * random.unit(at: 1)
        func expectNoLess(
          _ network: NetworkParameters = SmallStep.network, _ change: (inout ProjectedCase) -> Void
        ) throws {
          var changed = projected
          change(&changed)
          #expect(try SmallStep.step(changed, fixture, network).time >= time)
        }
        try expectNoLess { $0.dispatchBytes = $0.dispatchBytes * factor }
        try expectNoLess { $0.combineBytes = $0.combineBytes * factor }
        for level in [\NetworkParameters.inside, \.between] {
          var network = SmallStep.network
          let link = network[keyPath: level].segments[0]
          network[keyPath: level] = LinkParameters(
            latency: link.latency * factor, bandwidth: link.bandwidth)
          try expectNoLess(network) { _ in }
          network[keyPath: level] = LinkParameters(
            latency: link.latency, bandwidth: link.bandwidth / factor)
          try expectNoLess(network) { _ in }
        }
        var network = SmallStep.network
        network.fixed = network.fixed * factor
        try expectNoLess(network) { _ in }
        // Every token a second time.
        var twice = fixture
        twice.layers = twice.layers.map { $0.map { $0 + $0 } }
        #expect(try SmallStep.step(projected, twice).time >= time)
      }
    }
  }

  @Test(arguments: Dedup.allCases) func namesOfRanksInsideANodeDoNotMatter(_ dedup: Dedup) throws {
    // Ranks alike, or a name would mean another processor.
    let alike = Array(repeating: SmallStep.ranks(1)[0], count: 4)
    for seed in 0..<10 as Range<UInt64> {
      var fixture = SmallStep.fixture(Topology(ranks: 4, nodes: 2), seed: seed)
      // As many tokens everywhere: partners on other nodes go by place.
      fixture.layers = fixture.layers.map { $0.map { Array($0.prefix(4)) } }
      let other = fixture.relabelled([1, 0, 3, 2])
      let (first, second) = (
        try SmallStep.step(SmallStep.projected(dedup), fixture, ranks: alike),
        try SmallStep.step(SmallStep.projected(dedup), other, ranks: alike)
      )
      #expect(abs(first.time / second.time - 1) < 1e-12)
      #expect(abs(first.shares.transfer - second.shares.transfer) < 1e-12)
    }
  }

  /// Uniform traffic without anything to compute or copy takes what the ports need.
  @Test func uniformTrafficTakesThePortBound() throws {
    let topology = Topology(ranks: 8, nodes: 4)
    let free = Array(
      repeating: RankParameters(efficiencies: [], memory: .infinity), count: 8)
    var fixture = StepFixture(
      topology: topology, slotsPerRank: 1, tokensPerRank: Array(repeating: 5, count: 8), choices: 8,
      layers: 3, seed: 1)
    fixture.layers = fixture.layers.map { $0.map { $0.map { _ in (0..<8).map { Int32($0) } } } }
    var projected = SmallStep.projected()
    projected.compute = .none
    let result = try SmallStep.step(projected, fixture, ranks: free)
    // Six ranks of other nodes, five rows for each.
    let there = 3e-6 + 6 * 7e-6 + 30 * 140 / 0.5e9
    let back = 3e-6 + 6 * 7e-6 + 30 * 256 / 0.5e9
    #expect(abs(result.time.value / (3 * (there + back)) - 1) < 1e-12)
    #expect(abs(result.shares.transfer - 1) < 1e-12 && result.shares.wait == 0)
    #expect(result.bindings.map(\.name) == ["latency"])
    // Larger rows: the ports between nodes decide.
    projected.dispatchBytes = Bytes(14_000)
    projected.combineBytes = Bytes(25_600)
    let large = try SmallStep.step(projected, fixture, ranks: free)
    #expect(large.bindings.allSatisfy { $0.name.contains("NIC") }, "\(large.bindings)")
    let share = 3 * (30 * (14_000.0 + 25_600) / 0.5e9) / large.time.value
    #expect(large.bindingWords.hasSuffix(", \(Int((100 * share).rounded())) % of the step"))
  }

  @Test func whatBindsIsNamed() throws {
    let fixture = SmallStep.fixture(Topology(ranks: 4, nodes: 4))
    let projected = SmallStep.projected()
    let plain = try SmallStep.step(projected, fixture)
    var narrow = SmallStep.network
    narrow.leaves = .init(nodesPerLeaf: 2, uplinks: BytesPerSecond(1e6))
    let bound = try SmallStep.step(projected, fixture, narrow)
    #expect(bound.time > plain.time && bound.bindingWords.contains("leaf"), "\(bound.bindings)")
    // Uplinks that carry more than the ports below them bind nothing, and the words say what does.
    narrow.leaves = .init(nodesPerLeaf: 2, uplinks: .gigabytes(100))
    let wide = try SmallStep.step(projected, fixture, narrow)
    #expect(wide.time == plain.time && wide.bindings == plain.bindings)
    // Slow experts.
    var slow = projected
    slow.slowdowns = [2: 1000]
    #expect(try SmallStep.step(slow, fixture).bindingWords.hasPrefix("experts of rank 2, "))
    // No limit takes more than all of the step.
    for step in [plain, bound, wide] {
      #expect(step.bindings.allSatisfy { $0.time > .zero && $0.time <= step.time })
      #expect(zip(step.bindings, step.bindings.dropFirst()).allSatisfy { $0.time >= $1.time })
    }
  }
}
