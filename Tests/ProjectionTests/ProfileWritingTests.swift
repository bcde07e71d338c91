// SPDX-License-Identifier: Apache-2.0
// epsim: tests of writing profiles, and of those that are shipped.

import CostModel
import Foundation
import MoE
import Projection
import Testing

@Suite struct ProfileWritingTests {
  @Test func everyKeyComesBack() throws {
    let profile = try ProfileFixture.complete()
    let again = try ClusterProfile(yaml: profile.yaml, place: "again")
    #expect(again == profile)
    #expect(again.yaml == profile.yaml)
    #expect(profile.about == "Every key of the format, \"made up\"")
    #expect(again.values.count == profile.values.count && profile.values.count == 36)
    let fixed = try #require(again.values.first { $0.key == "network.fixed" })
    #expect(fixed.text == "8 us" && fixed.provenance == .measured && fixed.sourceName == "fit")
    #expect(fixed.source == "a measurement that nobody made")
    #expect(fixed.interval == Seconds.microseconds(7).value...Seconds.microseconds(9.5).value)
  }

  /// What a calibration on one machine writes.
  @Test func draftOfMeasuredNumbersIsAProfile() throws {
    var draft = ProfileDraft(name: "here", about: "this machine, \\ and \"quotes\" included")
    draft.setSource("run", "epsim calibrate, 2 ranks")
    draft.set(["ranks_per_node"], 2, .measured, source: "run")
    draft.setText(["rank", "name"], "a core")
    draft.setText(["rank", "kind"], "cpu")
    draft.set(["rank", "peak", "f32"], 123.456789e9, .measured, source: "run")
    draft.set(
      ["rank", "efficiency", ProfileDraft.rowsKey(1.5)], 0.123, .measured, source: "run",
      interval: 0.12...0.13)
    draft.set(["rank", "memory", "bandwidth"], 9.87654321e9, .measured, source: "run")
    draft.set(["rank", "memory", "size"], 8e9, .assumed, source: "half of what the machine has")
    draft.setText(["network", "inside", "kind"], "shared memory")
    for (size, latency) in [(0.0, 4e-7), (4096.0, 0), (1_234_567.0, 3.25e-3)] {
      let path = ["network", "inside", "segments", ProfileDraft.sizeKey(Bytes(size))]
      draft.set(path + ["latency"], latency, .measured, source: "run")
      draft.set(
        path + ["bandwidth"], 5.5e9, .measured, source: "run", interval: 5.5e9...5.5000001e9)
    }
    let profile = try ClusterProfile(draft, place: "the measured profile")
    #expect(profile.name == "here" && profile.about.hasSuffix("\\ and \"quotes\" included"))
    let segments = profile.network.inside.segments
    #expect(segments.map(\.from) == [.zero, Bytes(4096), Bytes(1_234_567)])
    #expect(segments.map { ($0.latency.microseconds * 1e6).rounded() / 1e6 } == [0.4, 0, 3250])
    #expect(profile.values.first { $0.key == "rank.peak.f32" }?.text == "123.457 GFLOP/s")
    #expect(try ClusterProfile(yaml: profile.yaml, place: "again") == profile)
    // A second measurement replaces the first, and a contradiction is refused.
    draft.set(["network", "inside", "line_rate"], 4e9, .published, source: "a data sheet")
    let error = #expect(throws: InputError.self) { try ClusterProfile(draft, place: "measured") }
    #expect(try #require(error).description.contains("bandwidth up to the line rate"))
    draft.set(["network", "inside", "line_rate"], 6e9, .published, source: "a data sheet")
    #expect(try ClusterProfile(draft, place: "measured").values.count == profile.values.count + 1)
  }

  @Test func sizesOfSegmentsAreExact() {
    let sizes = [0, 1, 1000, 1024, 4095, 65_536, 1_048_576, 1_234_567, 3 << 30, 1 << 50]
    let keys = [
      "0 B", "1 B", "1000 B", "1 KiB", "4095 B", "64 KiB", "1 MiB", "1234567 B", "3 GiB",
      "1024 TiB",
    ]
    #expect(sizes.map { ProfileDraft.sizeKey(Bytes(Double($0))) } == keys)
  }

  @Test func numbersKeepSixDigits() throws {
    for exponent in -8...16 {
      for digits in [1.0, 1.23456, 9.99999, 9.999996] {
        let value = digits * pow(10, Double(exponent))
        var draft = try ProfileFixture.complete().draft
        if exponent <= 2 { draft.set(["network", "fixed"], value, .assumed, source: "a guess") }
        if exponent >= 0 {
          draft.set(["network", "inside", "total"], value, .assumed, source: "a guess")
        }
        let network = try ClusterProfile(draft, place: "x").network
        if exponent <= 2 { #expect(abs(network.fixed.value / value - 1) < 5.1e-6) }
        if exponent >= 0 { #expect(abs(network.insideTotal.value / (2 * value) - 1) < 5.1e-6) }
      }
    }
  }

  @Test(arguments: ProfileFixture.shipped) func shippedProfileIsSound(_ name: String) throws {
    let profile = try ProfileLibrary.open(name, folders: ["/nowhere", ProfileFixture.root])
    #expect(profile.name == name && !profile.about.isEmpty)
    #expect(try ClusterProfile(yaml: profile.yaml, place: name) == profile)
    // Nothing is shipped as measured: that is what a calibration writes.
    #expect(profile.values.allSatisfy { $0.provenance != .measured && !$0.source.isEmpty })
    // What the source itself calls a guess is not published.
    for value in profile.values where value.provenance == .published {
      #expect(!value.source.contains("guess") && !value.source.hasPrefix("as "), "\(value.key)")
    }
    // Every entry of its sources is used.
    let used = Set(profile.values.compactMap(\.sourceName))
    #expect(profile.draft.sources.allSatisfy { used.contains($0.name) })
    for ranks in [72, 144, 4096] {
      let topology = try profile.topology(ranks: ranks)
      #expect(topology.rankCount == ranks)
      for precision in profile.precisions {
        let parameters = try profile.ranks(on: topology, precision)
        #expect(parameters.count == ranks && parameters[0].efficiencies[0].rate.value > 1e9)
      }
    }
    // Rows between nodes never travel faster than inside one.
    let network = profile.network
    #expect(
      network.between.segments[0].bandwidth <= network.inside.segments[0].bandwidth
        || profile.ranksPerNode == network.ranksPerPort)
  }

  @Test func shippedProfilesAreTheseThirteen() {
    #expect(
      ProfileFixture.shipped == [
        "b200", "cpu-100gbe", "cpu-10gbe", "cpu-25gbe", "cpu-ib-hdr", "cpu-omnipath-100g",
        "dgx-a100", "dgx-h100", "emulated-1gbit", "gb200-nvl72", "h20", "h200", "h800",
      ])
  }

  /// 64 ranks of NVL72 are one domain of 16 nodes; on H100 they are 8 nodes.
  @Test func domainsJoinNodes() throws {
    let rack = try ProfileLibrary.open("gb200-nvl72", folders: [ProfileFixture.root])
    #expect(rack.ranksPerNode == 4 && rack.ranksPerDomain == 72)
    #expect(try rack.topology(ranks: 64).nodeCount == 1)
    #expect(try rack.topology(ranks: 144).nodeCount == 2)
    let h100 = try ProfileLibrary.open("dgx-h100", folders: [ProfileFixture.root])
    #expect(try h100.topology(ranks: 64).nodeCount == 8)
    #expect(h100.network.between.segments[0].bandwidth == .gigabytes(45))
  }

  @Test func unknownNamesAreAnsweredWithTheKnown() throws {
    let error = #expect(throws: InputError.self) {
      try ProfileLibrary.open("dgx-h1000", folders: [ProfileFixture.root])
    }
    #expect(try #require(error).description.contains("cluster dgx-h1000 is unknown"))
    #expect(try #require(error).description.contains("dgx-a100, dgx-h100, emulated-1gbit"))
    #expect(throws: InputError.self) { try ProfileLibrary.open("a/b.yaml", folders: []) }
    #expect(throws: InputError.self) { try ProfileLibrary.open("/dev/zero", folders: []) }
    #expect(throws: InputError.self) { try ProfileLibrary.names(folders: ["/nowhere"]) }
    let path = ProfileFixture.root + "/clusters/h20.yaml"
    #expect(try ProfileLibrary.path(of: path, folders: []) == path)
    #expect(try ProfileLibrary.open(path, folders: []).name == "h20")
  }
}
