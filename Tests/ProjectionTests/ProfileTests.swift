// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what a cluster profile says to the cost model.

import CostModel
import MoE
import Projection
import Testing

@Suite struct ProfileTests {
  @Test func networkHasTheNumbersOfTheFile() throws {
    let network = try ProfileFixture.complete().network
    #expect(network.fixed == .microseconds(8) && network.perNodeShare == .microseconds(4))
    #expect(network.overlapFactor == 0.85)
    #expect(
      network.inside == LinkParameters(latency: .microseconds(1), bandwidth: .gigabytes(150)))
    // A domain has two nodes, so twice what a node has of its own.
    #expect(network.insideTotal == .gigabytes(1800) && network.nodeTotal == .gigabytes(10))
    #expect(network.ranksPerPort == 2)
    #expect(network.between.segments.map(\.from) == [.zero, Bytes(65_536)])
    #expect(
      abs(network.between.time(messages: 1, bytes: Bytes(100)).microseconds - 20.1) < 1e-9)
    #expect(
      abs(network.between.time(messages: 1, bytes: Bytes(3e6)).microseconds - 1060) < 1e-9)
    // Leaves of 4 nodes, two domains. A node sends min(2 ports x 3, 5) GB/s; 4 x 5 / 2.
    #expect(network.leaves?.nodesPerLeaf == 2)
    #expect(network.leaves?.uplinks == .gigabytes(10))
  }

  @Test func absentLimitsAreInfiniteAndNamed() throws {
    let profile = try ProfileLibrary.open("dgx-h100", folders: [ProfileFixture.root])
    let network = profile.network
    #expect(network.insideTotal == .infinity && network.nodeTotal == .infinity)
    #expect(network.leaves == nil && network.overlapFactor == 1 && network.perNodeShare == .zero)
    #expect(
      profile.unstated == [
        "rank.per_expert", "rank.per_assignment", "network.per_node_share", "network.overlap",
        "network.inside.total", "network.between.total", "network.leaf",
      ])
    #expect(
      try ProfileFixture.complete().unstated
        == [
          "fixed", "per_expert", "copies", "per_assignment",
        ].map { "other_ranks.small." + $0 })
  }

  @Test func uplinksMayStandForOversubscription() throws {
    let text = try ProfileFixture.changed(
      "oversubscription: { value: \"2:1\"", "uplinks: { value: 7 GB/s")
    let network = try ClusterProfile(yaml: text, place: "x").network
    #expect(network.leaves?.uplinks == .gigabytes(7))
  }

  @Test func ranksAreThoseOfTheirGroup() throws {
    let profile = try ProfileFixture.complete()
    let topology = try profile.topology(ranks: 32)
    let ranks = try profile.ranks(on: topology, .bf16)
    for index in 0..<32 {
      // Nodes 1, 5 and 6 are of 4 ranks each, though a domain has two nodes.
      let isSmall = [1, 5, 6].contains(index / 4)
      #expect(profile.rankName(index, on: topology) == (isSmall ? "Small" : "Big"))
      #expect(ranks[index].memorySize == (isSmall ? Bytes(32e9) : Bytes(64 * 1_073_741_824)))
      #expect(ranks[index].speed == (index == 0 ? 0.9 : 1))
      #expect(try ranks[index] == profile.rank(index, on: topology, .bf16))
    }
    let big = ranks[1]
    #expect(big.efficiencies.map(\.rows) == [1, 128])
    #expect(big.efficiencies.map(\.rate) == [FlopsPerSecond(1e12), FlopsPerSecond(50e12)])
    #expect(big.memory == BytesPerSecond(2e12 * 0.8) && big.copies == .gigabytes(800))
    #expect(big.fixed == .microseconds(10) && abs(big.perExpert.microseconds - 0.5) < 1e-12)
    #expect(big.perAssignment == Seconds(2e-9))
    #expect(ranks[4].memory == BytesPerSecond(1e12) && ranks[4].copies == .infinity)
  }

  @Test func precisionWithoutAPeakIsRefused() throws {
    let profile = try ProfileFixture.complete()
    let one = try profile.topology(ranks: 4)
    #expect(try profile.rank(1, on: one, .fp8).efficiencies.last?.rate == FlopsPerSecond(100e12))
    let two = try profile.topology(ranks: 8)
    let error = #expect(throws: InputError.self) { try profile.ranks(on: two, .fp8) }
    #expect(
      try #require(error).description
        == "cluster complete has no other_ranks.small.peak.fp8, accepted as precision is bf16")
    #expect(profile.precisions == [.f32, .bf16, .fp8, .fp4])
  }

  @Test func ranksFillNodesAndDomains() throws {
    let profile = try ProfileFixture.complete()
    #expect(try profile.topology(ranks: 4).nodeOfRank == [0, 0, 0, 0])
    #expect(try profile.topology(ranks: 20).nodeOfRank.suffix(5) == [1, 2, 2, 2, 2])
    #expect(try profile.topology(ranks: 4096).nodeCount == 512)
    let error = #expect(throws: InputError.self) { try profile.topology(ranks: 10) }
    let sentence = try #require(error).description
    #expect(sentence.hasPrefix("10 ranks do not fill the nodes of cluster complete"))
    #expect(sentence.contains("8 or 12 ranks"))
    for ranks in [0, -1, Int.max, Int.min, 2_000_000, 3] {
      #expect(throws: InputError.self) { try profile.topology(ranks: ranks) }
    }
  }

  @Test func ranksMayShareANumberOfNodes() throws {
    let profile = try ProfileFixture.complete()
    #expect(try profile.topology(ranks: 2, nodes: 2).nodeOfRank == [0, 1])
    #expect(try profile.topology(ranks: 16, nodes: 2).nodeCount == 2)
    for (ranks, nodes) in [(9, 1), (16, 1), (5, 2), (2, 0), (2, 3), (2, -1), (18, 2)] {
      #expect(throws: InputError.self) { try profile.topology(ranks: ranks, nodes: nodes) }
    }
  }

  @Test func oneNodeNeedsNoNetworkBetween() throws {
    var draft = try ProfileFixture.complete().draft
    for path in [["network", "between"], ["network", "leaf"]] { draft.remove(path) }
    let profile = try ClusterProfile(draft, place: "x")
    #expect(try profile.topology(ranks: 8).nodeCount == 1)
    #expect(profile.kind(of: .between) == nil && profile.kind(of: .inside) == "NVLink")
    let error = #expect(throws: InputError.self) { try profile.topology(ranks: 12) }
    #expect(try #require(error).description.contains("no network.between"))
  }

  @Test func modelThatDoesNotFitIsRefusedWithBothFigures() throws {
    let profile = try ProfileFixture.complete()
    let topology = try profile.topology(ranks: 8)
    try profile.requireMemory(for: "m", on: topology) { _ in Bytes(32e9) }
    try profile.requireMemory(for: "m", on: topology) { Bytes($0 < 4 ? 64 * 1_073_741_824 : 0) }
    let error = #expect(throws: InputError.self) {
      try profile.requireMemory(for: "mixtral in bf16", on: topology) { _ in Bytes(40.5e9) }
    }
    #expect(
      try #require(error).description
        == "mixtral in bf16 needs 40.5 GB on rank 4 of 8, the accelerator Small of cluster complete "
        + "has 32 GB (other_ranks.small.memory.size); accepted are more ranks, a narrower precision "
        + "or a cluster with more memory")
    for bytes in [Double.nan, .infinity, 1e300] {
      #expect(throws: InputError.self) {
        try profile.requireMemory(for: "m", on: topology) { _ in Bytes(bytes) }
      }
    }
  }

  /// A link that was measured on a busy machine may be known within orders of magnitude only.
  @Test func aNumberScalesByAllThatItMayBe() throws {
    let profile = try ClusterProfile(
      yaml: ProfileFixture.changed("[7 us, 9.5 us]", "[7 us, 900 s]"), place: "wide.yaml")
    for value in profile.values where value.isContinuous {
      let range = value.uncertainty
      _ = try profile.scaled(value.key, by: range.lowerBound)
      _ = try profile.scaled(value.key, by: range.upperBound)
    }
    let fixed = try #require(profile.values.first { $0.key == "network.fixed" })
    #expect(fixed.uncertainty == 7.0 / 8...1e6)
  }

  @Test func everyContinuousNumberScales() throws {
    let profile = try ProfileFixture.complete()
    for value in profile.values {
      if value.isContinuous {
        let scaled = try profile.scaled(value.key, by: 1.1)
        let changed = zip(profile.values, scaled.values).filter { $0 != $1 }
        #expect(changed.count == 1 && changed[0].0.key == value.key)
        #expect(changed[0].1.value == value.value * 1.1)
        #expect(changed[0].1.provenance == value.provenance)
      } else {
        #expect(throws: InputError.self) { try profile.scaled(value.key, by: 1.1) }
      }
    }
    let faster = try profile.scaled("network.inside.bandwidth", by: 2)
    #expect(faster.network.inside.segments[0].bandwidth == .gigabytes(300))
    #expect(faster.network.between == profile.network.between)
    for factor in [0, -1, Double.nan, .infinity] {
      #expect(throws: InputError.self) { try profile.scaled("network.fixed", by: factor) }
    }
    let error = #expect(throws: InputError.self) { try profile.scaled("network.fxed", by: 2) }
    #expect(try #require(error).description.contains("network.fixed, network.per_node_share"))
  }
}
