// SPDX-License-Identifier: Apache-2.0
// epsim: tests of computed steps.

import CostModel
import MoE
import Placement
import Projection
import Testing

@Suite struct StepProjectorTests {
  private static let model = ModelShape(
    name: "small", source: "made up", hiddenSize: 64, expertFFNSize: 32, expertCount: 12, topK: 3,
    sharedExpertCount: 1, layerCount: 2, router: RouterRule(score: .softmax, renormalises: true))

  private static let network = NetworkParameters(
    fixed: .microseconds(3),
    inside: LinkParameters(latency: .microseconds(1), bandwidth: .gigabytes(2)),
    between: LinkParameters(latency: .microseconds(7), bandwidth: .gigabytes(0.5)))

  /// Ranks that differ: rank 1 is slow.
  private static func ranks(_ count: Int) -> [RankParameters] {
    (0..<count).map {
      RankParameters(
        efficiencies: [.init(rows: 1, rate: FlopsPerSecond(2e9))], memory: .gigabytes(1),
        fixed: .microseconds(2), copies: .gigabytes(0.7), perAssignment: .microseconds(0.05),
        speed: $0 == 1 ? 0.5 : 1)
    }
  }

  private static func projected(
    _ dedup: Dedup = .none, _ combine: CombineRule = .exact
  ) -> ProjectedCase {
    ProjectedCase(
      model: model, dedup: dedup, combine: combine, dispatchBytes: Bytes(140),
      combineBytes: Bytes(256), elementBytes: 2)
  }

  private static func fixture(_ topology: Topology, seed: UInt64 = 5) -> StepFixture {
    StepFixture(
      topology: topology, tokensPerRank: (0..<topology.rankCount).map { 4 + 3 * ($0 % 2) },
      choices: 3, layers: 2, seed: seed)
  }

  private func step(
    _ projected: ProjectedCase, _ fixture: StepFixture, _ network: NetworkParameters = network,
    ranks: [RankParameters]? = nil
  ) throws -> ProjectedStep {
    var projector = StepProjector(
      projected, network: network, ranks: ranks ?? Self.ranks(fixture.rankCount),
      topology: fixture.topology)
    return projector.step(try fixture.demands())
  }

  private func expectAsByHand(_ projected: ProjectedCase, _ fixture: StepFixture) throws {
    let reference = StepReference(
      projected: projected, network: Self.network, ranks: Self.ranks(fixture.rankCount),
      fixture: fixture
    ).time()
    let computed = try step(projected, fixture).time.value
    #expect(
      abs(computed / reference - 1) < 1e-12,
      "\(projected.dedup) \(projected.combine): \(computed), by hand \(reference)")
  }

  /// One node, two of two, unequal ones, and one rank.
  private static let topologies = [
    Topology(ranks: 4, nodes: 2), Topology(ranks: 3), Topology(nodeOfRank: [0, 0, 0, 1, 2, 2]),
    Topology(ranks: 1), Topology(ranks: 4, nodes: 4),
  ]

  @Test(arguments: topologies) func stepsAreThoseByHand(_ topology: Topology) throws {
    let fixture = Self.fixture(topology)
    for dedup in Dedup.allCases {
      for combine in CombineRule.allCases {
        try expectAsByHand(Self.projected(dedup, combine), fixture)
      }
    }
    var summed = Self.projected(.node, .preReduced)
    summed.hops = .summed
    try expectAsByHand(summed, fixture)
    summed.combine = .exact
    try expectAsByHand(summed, fixture)
  }

  @Test(arguments: Dedup.allCases) func everyPartOfACaseCounts(_ dedup: Dedup) throws {
    let fixture = Self.fixture(Topology(ranks: 4, nodes: 2), seed: 8)
    let plain = Self.projected(dedup)
    let time = try step(plain, fixture).time
    func expectSlower(_ change: (inout ProjectedCase) -> Void) throws {
      var changed = plain
      change(&changed)
      try expectAsByHand(changed, fixture)
      #expect(try step(changed, fixture).time > time)
    }
    try expectSlower { $0.delays = [2: .microseconds(400)] }
    try expectSlower { $0.slowdowns = [1: 3] }
    try expectSlower { $0.betweenLayers = .microseconds(50) }
    try expectSlower { $0.runsBackward = true }
    try expectSlower { $0.dispatchBytes = Bytes(300) }
    try expectSlower { $0.combineBytes = Bytes(512) }
    try expectSlower { $0.elementBytes = 4 }
    for compute in [ProjectedCase.Compute.none, .emulated(FlopsPerSecond(1e9))] {
      var other = plain
      other.compute = compute
      try expectAsByHand(other, fixture)
      other.slowdowns = [1: 3]
      try expectAsByHand(other, fixture)
    }
    var partners = plain
    partners.waitsForPartnersOnly = true
    partners.delays = [0: .microseconds(300)]
    try expectAsByHand(partners, fixture)
    partners.waitsForPartnersOnly = false
    try expectAsByHand(partners, fixture)
  }

  /// A rank waits for its partners only where the exchange is made of messages.
  @Test func strangersDoNotWait() throws {
    var fixture = Self.fixture(Topology(ranks: 4, nodes: 2))
    // Ranks 0 and 1 talk to each other, 2 and 3 likewise.
    fixture.layers = fixture.layers.map { layer in
      layer.enumerated().map { rank, tokens in
        tokens.map { _ in [0, 3, 4].map { Int32(rank / 2 * 6 + $0) } }
      }
    }
    var projected = Self.projected()
    projected.delays = [0: .microseconds(5000)]
    let everyone = try step(projected, fixture)
    projected.waitsForPartnersOnly = true
    let partners = try step(projected, fixture)
    #expect(everyone.ranks[.dispatchWait, 3].microseconds > 4000)
    #expect(partners.ranks[.dispatchWait, 3].microseconds < 1000)
    #expect(partners.ranks[.dispatchWait, 1].microseconds > 4000)
    try expectAsByHand(projected, fixture)
  }

  @Test func moreNeverTakesLess() throws {
    for seed in 0..<12 as Range<UInt64> {
      let random = CounterRandom(seed: 40, seed)
      let fixture = Self.fixture(Topology(ranks: 4, nodes: 2), seed: seed)
      for dedup in Dedup.allCases {
        let projected = Self.projected(dedup, random.unit(at: 0) < 0.5 ? .exact : .preReduced)
        let time = try step(projected, fixture).time
        let factor = 1 + 3 * random.unit(at: 1)
        func expectNoLess(
          _ network: NetworkParameters = Self.network, _ change: (inout ProjectedCase) -> Void
        ) throws {
          var changed = projected
          change(&changed)
          #expect(try step(changed, fixture, network).time >= time)
        }
        try expectNoLess { $0.dispatchBytes = $0.dispatchBytes * factor }
        try expectNoLess { $0.combineBytes = $0.combineBytes * factor }
        for level in [\NetworkParameters.inside, \.between] {
          var network = Self.network
          let link = network[keyPath: level].segments[0]
          network[keyPath: level] = LinkParameters(
            latency: link.latency * factor, bandwidth: link.bandwidth)
          try expectNoLess(network) { _ in }
          network[keyPath: level] = LinkParameters(
            latency: link.latency, bandwidth: link.bandwidth / factor)
          try expectNoLess(network) { _ in }
        }
        var network = Self.network
        network.fixed = network.fixed * factor
        try expectNoLess(network) { _ in }
        // Every token a second time.
        var twice = fixture
        twice.layers = twice.layers.map { $0.map { $0 + $0 } }
        #expect(try step(projected, twice).time >= time)
      }
    }
  }

  @Test(arguments: Dedup.allCases) func namesOfRanksInsideANodeDoNotMatter(_ dedup: Dedup) throws {
    // Ranks alike, or a name would mean another processor.
    let alike = Array(repeating: Self.ranks(1)[0], count: 4)
    for seed in 0..<10 as Range<UInt64> {
      var fixture = Self.fixture(Topology(ranks: 4, nodes: 2), seed: seed)
      // As many tokens everywhere: partners on other nodes go by place.
      fixture.layers = fixture.layers.map { $0.map { Array($0.prefix(4)) } }
      let other = fixture.relabelled([1, 0, 3, 2])
      let (first, second) = (
        try step(Self.projected(dedup), fixture, ranks: alike),
        try step(Self.projected(dedup), other, ranks: alike)
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
    var projected = Self.projected()
    projected.compute = .none
    let result = try step(projected, fixture, ranks: free)
    // Six ranks of other nodes, five rows for each.
    let there = 3e-6 + 6 * 7e-6 + 30 * 140 / 0.5e9
    let back = 3e-6 + 6 * 7e-6 + 30 * 256 / 0.5e9
    #expect(abs(result.time.value / (3 * (there + back)) - 1) < 1e-12)
    #expect(abs(result.shares.transfer - 1) < 1e-12 && result.shares.wait == 0)
    #expect(result.bindings.map(\.name) == ["latency"])
    // Larger rows: the ports between nodes decide.
    projected.dispatchBytes = Bytes(14_000)
    projected.combineBytes = Bytes(25_600)
    let large = try step(projected, fixture, ranks: free)
    #expect(large.bindings.allSatisfy { $0.name.contains("NIC") }, "\(large.bindings)")
    let share = 3 * (30 * (14_000.0 + 25_600) / 0.5e9) / large.time.value
    #expect(large.bindingWords.hasSuffix(", \(Int((100 * share).rounded())) % of the step"))
  }

  @Test func whatBindsIsNamed() throws {
    let fixture = Self.fixture(Topology(ranks: 4, nodes: 4))
    let projected = Self.projected()
    let plain = try step(projected, fixture)
    var narrow = Self.network
    narrow.leaves = .init(nodesPerLeaf: 2, uplinks: BytesPerSecond(1e6))
    let bound = try step(projected, fixture, narrow)
    #expect(bound.time > plain.time && bound.bindingWords.contains("leaf"), "\(bound.bindings)")
    // Uplinks that carry more than the ports below them bind nothing, and the words say what does.
    narrow.leaves = .init(nodesPerLeaf: 2, uplinks: .gigabytes(100))
    let wide = try step(projected, fixture, narrow)
    #expect(wide.time == plain.time && wide.bindings == plain.bindings)
    // Slow experts.
    var slow = projected
    slow.slowdowns = [2: 1000]
    #expect(try step(slow, fixture).bindingWords.hasPrefix("experts of rank 2, "))
    // No limit takes more than all of the step.
    for step in [plain, bound, wide] {
      #expect(step.bindings.allSatisfy { $0.time > .zero && $0.time <= step.time })
      #expect(zip(step.bindings, step.bindings.dropFirst()).allSatisfy { $0.time >= $1.time })
    }
  }

  @Test func sharesAddUpToOne() throws {
    for (chunks, dedup) in [(1, Dedup.none), (1, .node), (2, .none), (4, .rank)] {
      var projected = Self.projected(dedup)
      projected.chunks = chunks
      projected.delays = [1: .microseconds(40)]
      let step = try step(projected, Self.fixture(Topology(ranks: 4, nodes: 2)))
      let shares = step.shares
      #expect(abs(shares.expert + shares.transfer + shares.wait + shares.rest - 1) < 1e-12)
      #expect([shares.expert, shares.transfer, shares.wait, shares.rest].allSatisfy { $0 > 0 })
      // Every rank's phases fit into the step.
      for rank in 0..<4 { #expect(step.ranks.total(of: rank) <= step.time * (1 + 1e-12)) }
    }
  }

  /// Two chunks hide one exchange behind the compute of another, and pay start-up times twice.
  @Test func chunksOverlap() throws {
    let fixture = Self.fixture(Topology(ranks: 4, nodes: 2))
    var projected = Self.projected()
    (projected.dispatchBytes, projected.combineBytes) = (Bytes(4000), Bytes(4000))
    var quick = Self.network
    (quick.fixed, quick.inside, quick.between) = (
      .zero, LinkParameters(latency: .zero, bandwidth: .gigabytes(0.3)),
      LinkParameters(latency: .zero, bandwidth: .gigabytes(0.3))
    )
    let whole = try step(projected, fixture, quick).time
    projected.chunks = 2
    let overlapped = try step(projected, fixture, quick).time
    #expect(overlapped < whole && overlapped > whole / 2)
    // Without bandwidth beside compute there is less to win, with start-up times nothing.
    quick.overlapFactor = 0.1
    #expect(try step(projected, fixture, quick).time > overlapped)
    quick.fixed = .microseconds(10_000)
    let slow = try step(projected, fixture, quick).time
    projected.chunks = 1
    #expect(try step(projected, fixture, quick).time < slow)
  }

  @Test func theSmallestIsDefined() throws {
    let alone = Self.fixture(Topology(ranks: 1))
    let single = try step(Self.projected(), alone)
    #expect(single.time > .zero && single.shares.wait == 0)
    // What stays is copied once, whatever the links are.
    var slow = Self.network
    slow.inside = LinkParameters(latency: .microseconds(1e6), bandwidth: BytesPerSecond(1))
    slow.fixed = .microseconds(1e6)
    #expect(try step(Self.projected(), alone, slow).time == single.time)

    let none = StepFixture(
      topology: Topology(ranks: 4, nodes: 2), tokensPerRank: [0, 0, 0, 0], choices: 3, layers: 2,
      seed: 1)
    let empty = try step(Self.projected(), none)
    // Two exchanges of two layers.
    #expect(abs(empty.time.microseconds - 4 * 3) < 1e-9)
    #expect(empty.bindingWords == "latency, 100 % of the step")

    let free = NetworkParameters(
      inside: LinkParameters(latency: .zero, bandwidth: .infinity),
      between: LinkParameters(latency: .zero, bandwidth: .infinity))
    let idle = Array(
      repeating: RankParameters(efficiencies: [], memory: .infinity), count: 4)
    let nothing = try step(
      Self.projected(), Self.fixture(Topology(ranks: 4, nodes: 2)), free, ranks: idle)
    #expect(nothing.time == .zero && nothing.bindingWords == "nothing")
    #expect(nothing.shares == (0, 0, 0, 0))
    // No layers at all.
    var projector = StepProjector(
      Self.projected(), network: free, ranks: idle, topology: Topology(ranks: 4, nodes: 2))
    #expect(projector.step([]).time == .zero)
    // The clocks begin anew with every step.
    let demands = try Self.fixture(Topology(ranks: 4, nodes: 2)).demands()
    var again = StepProjector(
      Self.projected(), network: Self.network, ranks: Self.ranks(4),
      topology: Topology(ranks: 4, nodes: 2))
    let first = again.step(demands)
    #expect(again.step(demands).time == first.time)
  }

  @Test func timesWithoutEndAreSaid() throws {
    var stopped = Self.network
    stopped.between = LinkParameters(latency: .zero, bandwidth: BytesPerSecond(0))
    let step = try step(Self.projected(), Self.fixture(Topology(ranks: 4, nodes: 2)), stopped)
    #expect(step.time == .infinity)
    #expect(step.bindingWords.contains("NIC") && step.bindingWords.contains("without end"))
    #expect(step.shares == (0, 0, 0, 0))
  }
}
