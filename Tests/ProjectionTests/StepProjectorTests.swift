// SPDX-License-Identifier: Apache-2.0
// epsim: tests of computed steps.

import CostModel
import MoE
import Placement
import Projection
import Testing

@Suite struct StepProjectorTests {
  private func expectAsByHand(_ projected: ProjectedCase, _ fixture: StepFixture) throws {
    let reference = StepReference(
      projected: projected, network: SmallStep.network, ranks: SmallStep.ranks(fixture.rankCount),
      fixture: fixture
    ).time()
    let computed = try SmallStep.step(projected, fixture).time.value
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
    let fixture = SmallStep.fixture(topology)
    for dedup in Dedup.allCases {
      for combine in CombineRule.allCases {
        try expectAsByHand(SmallStep.projected(dedup, combine), fixture)
      }
    }
    var summed = SmallStep.projected(.node, .preReduced)
    summed.hops = .summed
    try expectAsByHand(summed, fixture)
    summed.combine = .exact
    try expectAsByHand(summed, fixture)
  }

  @Test(arguments: Dedup.allCases) func everyPartOfACaseCounts(_ dedup: Dedup) throws {
    let fixture = SmallStep.fixture(Topology(ranks: 4, nodes: 2), seed: 8)
    let plain = SmallStep.projected(dedup)
    let time = try SmallStep.step(plain, fixture).time
    func expectSlower(_ change: (inout ProjectedCase) -> Void) throws {
      var changed = plain
      change(&changed)
      try expectAsByHand(changed, fixture)
      #expect(try SmallStep.step(changed, fixture).time > time)
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
    var fixture = SmallStep.fixture(Topology(ranks: 4, nodes: 2))
    // Ranks 0 and 1 talk to each other, 2 and 3 likewise.
    fixture.layers = fixture.layers.map { layer in
      layer.enumerated().map { rank, tokens in
        tokens.map { _ in [0, 3, 4].map { Int32(rank / 2 * 6 + $0) } }
      }
    }
    var projected = SmallStep.projected()
    projected.delays = [0: .microseconds(5000)]
    let everyone = try SmallStep.step(projected, fixture)
    projected.waitsForPartnersOnly = true
    let partners = try SmallStep.step(projected, fixture)
    #expect(everyone.ranks[.dispatchWait, 3].microseconds > 4000)
    #expect(partners.ranks[.dispatchWait, 3].microseconds < 1000)
    #expect(partners.ranks[.dispatchWait, 1].microseconds > 4000)
    try expectAsByHand(projected, fixture)
  }

  @Test func sharesAddUpToOne() throws {
    for (chunks, dedup) in [(1, Dedup.none), (1, .node), (2, .none), (4, .rank)] {
      var projected = SmallStep.projected(dedup)
      projected.chunks = chunks
      projected.delays = [1: .microseconds(40)]
      let step = try SmallStep.step(projected, SmallStep.fixture(Topology(ranks: 4, nodes: 2)))
      let shares = step.shares
      #expect(abs(shares.expert + shares.transfer + shares.wait + shares.rest - 1) < 1e-12)
      #expect([shares.expert, shares.transfer, shares.wait, shares.rest].allSatisfy { $0 > 0 })
      // Every rank's phases fit into the step.
      for rank in 0..<4 { #expect(step.ranks.total(of: rank) <= step.time * (1 + 1e-12)) }
    }
  }

  /// Two chunks hide one exchange behind the compute of another, and pay start-up times twice.
  @Test func chunksOverlap() throws {
    let fixture = SmallStep.fixture(Topology(ranks: 4, nodes: 2))
    var projected = SmallStep.projected()
    (projected.dispatchBytes, projected.combineBytes) = (Bytes(4000), Bytes(4000))
    var quick = SmallStep.network
    (quick.fixed, quick.inside, quick.between) = (
      .zero, LinkParameters(latency: .zero, bandwidth: .gigabytes(0.3)),
      LinkParameters(latency: .zero, bandwidth: .gigabytes(0.3))
    )
    let whole = try SmallStep.step(projected, fixture, quick).time
    projected.chunks = 2
    let overlapped = try SmallStep.step(projected, fixture, quick).time
    #expect(overlapped < whole && overlapped > whole / 2)
    // Without bandwidth beside compute there is less to win, with start-up times nothing.
    quick.overlapFactor = 0.1
    #expect(try SmallStep.step(projected, fixture, quick).time > overlapped)
    quick.fixed = .microseconds(10_000)
    let slow = try SmallStep.step(projected, fixture, quick).time
    projected.chunks = 1
    #expect(try SmallStep.step(projected, fixture, quick).time < slow)
  }

  @Test func theSmallestIsDefined() throws {
    let alone = SmallStep.fixture(Topology(ranks: 1))
    let single = try SmallStep.step(SmallStep.projected(), alone)
    #expect(single.time > .zero && single.shares.wait == 0)
    // What stays is copied once, whatever the links are.
    var slow = SmallStep.network
    slow.inside = LinkParameters(latency: .microseconds(1e6), bandwidth: BytesPerSecond(1))
    slow.fixed = .microseconds(1e6)
    #expect(try SmallStep.step(SmallStep.projected(), alone, slow).time == single.time)

    let none = StepFixture(
      topology: Topology(ranks: 4, nodes: 2), tokensPerRank: [0, 0, 0, 0], choices: 3, layers: 2,
      seed: 1)
    let empty = try SmallStep.step(SmallStep.projected(), none)
    // Two exchanges of two layers.
    #expect(abs(empty.time.microseconds - 4 * 3) < 1e-9)
    #expect(empty.bindingWords == "latency, 100 % of the step")

    let free = NetworkParameters(
      inside: LinkParameters(latency: .zero, bandwidth: .infinity),
      between: LinkParameters(latency: .zero, bandwidth: .infinity))
    let idle = Array(
      repeating: RankParameters(efficiencies: [], memory: .infinity), count: 4)
    let nothing = try SmallStep.step(
      SmallStep.projected(), SmallStep.fixture(Topology(ranks: 4, nodes: 2)), free, ranks: idle)
    #expect(nothing.time == .zero && nothing.bindingWords == "nothing")
    #expect(nothing.shares == (0, 0, 0, 0))
    // No layers at all.
    var projector = StepProjector(
      SmallStep.projected(), network: free, ranks: idle, topology: Topology(ranks: 4, nodes: 2))
    #expect(projector.step([]).time == .zero)
    // The clocks begin anew with every step.
    let demands = try SmallStep.fixture(Topology(ranks: 4, nodes: 2)).demands()
    var again = StepProjector(
      SmallStep.projected(), network: SmallStep.network, ranks: SmallStep.ranks(4),
      topology: Topology(ranks: 4, nodes: 2))
    let first = again.step(demands)
    #expect(again.step(demands).time == first.time)
  }

  @Test func timesWithoutEndAreSaid() throws {
    var stopped = SmallStep.network
    stopped.between = LinkParameters(latency: .zero, bandwidth: BytesPerSecond(0))
    let step = try SmallStep.step(
      SmallStep.projected(), SmallStep.fixture(Topology(ranks: 4, nodes: 2)), stopped)
    #expect(step.time == .infinity)
    #expect(step.bindingWords.contains("NIC") && step.bindingWords.contains("without end"))
    #expect(step.shares == (0, 0, 0, 0))
  }
}
