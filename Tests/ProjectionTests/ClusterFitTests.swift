// SPDX-License-Identifier: Apache-2.0
// epsim: tests of profiles fitted to what was measured of a cluster.

import CostModel
import Foundation
import MoE
import Projection
import Testing

@Suite struct ClusterFitTests {
  private static let model = ModelShape(
    name: "law", source: "made up", hiddenSize: 2048, expertFFNSize: 1408, expertCount: 64, topK: 6,
    layerCount: 1, router: RouterRule(score: .softmax, renormalises: true))

  private static func machine(
    ranksPerNode: Int = 2, lineRate: BytesPerSecond? = nil
  ) -> ClusterFit.Machine {
    ClusterFit.Machine(
      name: "made-up", about: "a machine of numbers", source: "nobody's measurement",
      rankName: "a core", ranks: 2 * ranksPerNode, ranksPerNode: ranksPerNode, precision: .bf16,
      memorySize: Bytes(8e9),
      lineRate: lineRate.map { ($0, "a data sheet of nobody") })
  }

  /// Rates that rise with rows, memory that binds at few, as CPU cores have them.
  private static let rank = RankParameters(
    efficiencies: [1, 4, 16, 64, 256].map {
      .init(rows: $0, rate: FlopsPerSecond(120e9 * $0 / ($0 + 8)))
    }, memory: .gigabytes(12), copies: .gigabytes(5), perAssignment: .microseconds(0.02))

  private static let links: [ClusterSamples.Level: LinkParameters] = [
    .inside: LinkParameters(latency: .microseconds(2), bandwidth: .gigabytes(3)),
    .between: LinkParameters(latency: .microseconds(25), bandwidth: .gigabytes(0.11)),
  ]
  private static let rows = [1.0, 2, 4, 8, 16, 32, 64, 128, 256]
  private static let widths = ExpertWidths(model)

  /// What a machine of these parameters would have shown, off by up to `noise`.
  private func samples(
    noise: Double, seed: UInt64 = 1, levels: [ClusterSamples.Level] = ClusterSamples.Level.allCases,
    ranksPerNode: Int = 2
  ) -> ClusterSamples {
    let random = CounterRandom(seed: seed, 9)
    var position: UInt64 = 0
    func noisy(_ time: Seconds) -> Seconds {
      position += 1
      return time * (1 + noise * (2 * random.unit(at: position) - 1))
    }
    var samples = ClusterSamples()
    for level in levels {
      for messages in [1.0, 3] {
        for power in 6...20 {
          let bytes = Bytes(messages * Double(1 << power))
          samples.exchanges.append(
            .init(
              level: level, sendersPerNode: ranksPerNode, messages: messages, bytes: bytes,
              time: noisy(Self.links[level]!.time(messages: messages, bytes: bytes))))
        }
      }
    }
    for rows in Self.rows {
      let time = ExpertTime(Self.rank, Self.widths).time(rows: 32 * rows, active: 32)
      samples.experts.append(
        .init(count: 32, rows: rows, widths: Self.widths, time: noisy(time)))
      let (bytes, assignments) = (Bytes(rows * 1e5), rows * 6)
      samples.copies.append(
        .init(amount: bytes.value, time: noisy(Self.rank.copyTime(bytes))))
      samples.plans.append(
        .init(amount: assignments, time: noisy(Self.rank.planTime(assignments: assignments))))
    }
    return samples
  }

  /// The error of a rank's experts at measured rows, worst of all.
  private func expertError(_ profile: ClusterProfile) throws -> Double {
    let rank = try profile.rank(0, on: Topology(ranks: 1), .bf16)
    return Self.rows.map { rows in
      let (fitted, true_) = (
        ExpertTime(rank, Self.widths).time(rows: 32 * rows, active: 32),
        ExpertTime(Self.rank, Self.widths).time(rows: 32 * rows, active: 32)
      )
      return abs(fitted / true_ - 1)
    }.max()!
  }

  @Test func parametersComeBack() throws {
    let fit = try ClusterFit(samples(noise: 0), of: Self.machine())
    let network = fit.profile.network
    for (level, link) in [
      (ClusterSamples.Level.inside, network.inside), (.between, network.between),
    ] {
      let truth = Self.links[level]!.segments[0]
      for segment in link.segments {
        #expect(abs(segment.latency / truth.latency - 1) < 1e-4)
        #expect(abs(segment.bandwidth / truth.bandwidth - 1) < 1e-4)
      }
    }
    let rank = try fit.profile.rank(0, on: Topology(ranks: 1), .bf16)
    #expect(abs(rank.copies / Self.rank.copies - 1) < 1e-5)
    #expect(abs(rank.perAssignment / Self.rank.perAssignment - 1) < 1e-5)
    #expect(try expertError(fit.profile) < 0.05)
    #expect(fit.parts.allSatisfy { $0.verdict.isGood }, "\(fit.parts)")
    #expect(
      fit.parts.map(\.name) == [
        "experts", "copies", "planning", "exchange inside nodes", "exchange between nodes",
      ])
    #expect(fit.profile.ranksPerNode == 2 && fit.profile.precisions == [.bf16])
    #expect(fit.measuredMessages[.inside] == Bytes(64)...Bytes(1_048_576))
  }

  @Test func noiseMovesThemLittle() throws {
    for seed in 0..<10 as Range<UInt64> {
      let fit = try ClusterFit(samples(noise: 0.03, seed: seed), of: Self.machine())
      for (level, link) in [
        (ClusterSamples.Level.inside, fit.profile.network.inside),
        (.between, fit.profile.network.between),
      ] {
        // What a message takes, wherever the breakpoints fell.
        for power in 6...20 {
          let size = Bytes(Double(1 << power))
          let error =
            link.time(messages: 1, bytes: size)
            / Self.links[level]!.time(messages: 1, bytes: size) - 1
          #expect(abs(error) < 0.06, "\(level), \(size.value) B: \(error)")
        }
      }
      // Half of the noise's width for the memory, whose rate is the best of all, and some rows.
      #expect(try expertError(fit.profile) < 0.08)
      let rank = try fit.profile.rank(0, on: Topology(ranks: 1), .bf16)
      #expect(abs(rank.copies / Self.rank.copies - 1) < 0.031)
      #expect(abs(rank.perAssignment / Self.rank.perAssignment - 1) < 0.031)
      #expect(fit.parts.allSatisfy { $0.verdict.isGood }, "\(fit.parts)")
    }
  }

  @Test func profilesAreReadAsTheyWereWritten() throws {
    let line = BytesPerSecond.gigabytes(0.125)
    for levels in [[], [.inside], [.between], ClusterSamples.Level.allCases] {
      let ranksPerNode = levels.contains(.inside) ? 2 : 1
      let fit = try ClusterFit(
        samples(noise: 0.02, levels: levels, ranksPerNode: ranksPerNode),
        of: Self.machine(ranksPerNode: ranksPerNode, lineRate: line))
      #expect(try ClusterProfile(yaml: fit.profile.yaml, place: "again") == fit.profile)
      let measured = fit.profile.values.filter { $0.provenance == .measured }
      #expect(measured.allSatisfy { $0.source == "nobody's measurement" })
      #expect(
        fit.profile.values.contains { $0.key == "network.between.line_rate" }
          == levels.contains(.between))
      #expect(fit.measuredMessages.count == levels.count)
    }
  }

  @Test func quickerThanTheLineIsRefused() throws {
    let error = #expect(throws: InputError.self) {
      try ClusterFit(samples(noise: 0.01), of: Self.machine(lineRate: .gigabytes(0.05)))
    }
    let sentence = try #require(error).description
    #expect(
      sentence.contains("exchanges between nodes") && sentence.contains("line rate of 0.05 GB/s"))
    // The line is that between nodes: inside them rows travel by memory.
    let fit = try ClusterFit(samples(noise: 0.01), of: Self.machine(lineRate: .gigabytes(0.12)))
    #expect(fit.profile.network.inside.segments.last!.bandwidth > .gigabytes(2))
    #expect(fit.profile.network.between.segments.allSatisfy { $0.bandwidth <= .gigabytes(0.12) })
  }

  /// A rank alone, one size of everything, one of it.
  @Test func littleIsEnough() throws {
    var few = samples(noise: 0, levels: [])
    for rows in [[0], [8], [0, 4]] {
      few.experts = rows.map { samples(noise: 0).experts[$0] }
      few.copies = rows.map { samples(noise: 0).copies[$0] }
      few.plans = rows.map { samples(noise: 0).plans[$0] }
      let fit = try ClusterFit(few, of: Self.machine(ranksPerNode: 1))
      let rank = try fit.profile.rank(0, on: Topology(ranks: 1), .bf16)
      for sample in few.experts {
        let time = ExpertTime(rank, Self.widths).time(
          rows: sample.count * sample.rows, active: sample.count)
        #expect(abs(time / sample.time - 1) < 0.06, "\(rows): \(time / sample.time)")
      }
      #expect(abs(rank.copies / Self.rank.copies - 1) < 1e-5)
    }
    var one = samples(noise: 0, levels: [.inside])
    one.exchanges = [one.exchanges[5]]
    let fit = try ClusterFit(one, of: Self.machine())
    let time = fit.profile.network.inside.time(messages: 1, bytes: one.exchanges[0].bytes)
    #expect(abs(time / one.exchanges[0].time - 1) < 1e-4)
    #expect(!fit.parts.last!.verdict.isGood)
  }

  /// Cases whose experts sleep need no experts measured, and nothing of them is called measured.
  @Test func expertsNeedNotBeMeasured() throws {
    var none = samples(noise: 0)
    none.experts = []
    let fit = try ClusterFit(none, of: Self.machine())
    #expect(fit.profile.precisions == [.bf16])
    let rank = fit.profile.values.filter {
      $0.key.hasPrefix("rank.peak") || $0.key.hasPrefix("rank.efficiency")
        || $0.key == "rank.memory.bandwidth"
    }
    #expect(rank.count == 3 && rank.allSatisfy { $0.provenance == .assumed })
    #expect(fit.parts[0].verdict.rowCount == 0)
    // Nothing at all was measured: a rank alone whose experts sleep.
    let empty = try ClusterFit(ClusterSamples(), of: Self.machine(ranksPerNode: 1))
    let measured = empty.profile.values.filter { $0.provenance == .measured }
    #expect(
      Set(measured.map(\.key)) == [
        "ranks_per_node", "rank.memory.size", "hull.ranks", "hull.nodes",
      ])
  }

  /// Clocks of several machines may put an end before its beginning: such a time says nothing.
  @Test func timesBelowTheClocksErrorAreLeftOut() throws {
    let plain = try ClusterFit(samples(noise: 0), of: Self.machine())
    var odd = samples(noise: 0)
    for time in [Seconds.zero, .microseconds(-1)] {
      odd.exchanges.append(
        .init(level: .between, sendersPerNode: 2, messages: 1, bytes: Bytes(64), time: time))
      odd.experts.append(.init(count: 32, rows: 2, widths: Self.widths, time: time))
      odd.copies.append(.init(amount: 1e9, time: time))
      odd.plans.append(.init(amount: 1e9, time: time))
    }
    #expect(try ClusterFit(odd, of: Self.machine()).profile == plain.profile)
  }

  /// Times that do not grow with bytes: any bandwidth would do, and the profile is one.
  @Test func flatTimesAreAProfile() throws {
    var flat = samples(noise: 0, levels: [])
    for power in 3...10 {
      flat.exchanges.append(
        .init(
          level: .inside, sendersPerNode: 2, messages: 1, bytes: Bytes(Double(1 << power)),
          time: .microseconds(4)))
    }
    let fit = try ClusterFit(flat, of: Self.machine())
    let link = fit.profile.network.inside
    #expect(abs(link.time(messages: 1, bytes: Bytes(64)).microseconds - 4) < 0.01)
    #expect(try ClusterProfile(yaml: fit.profile.yaml, place: "again") == fit.profile)
  }

  /// A rank alone that is as quick as all of its node together has the port for itself.
  @Test(arguments: [1, 2])
  func portsThatRanksShareAreFoundByPairs(sharing: Int) throws {
    let link = Self.links[.between]!
    var samples = samples(noise: 0.01, levels: [.inside])
    for power in 10...20 {
      let bytes = Bytes(Double(1 << power))
      for senders in [1, 2] {
        let sharers = Double(min(sharing, senders))
        samples.exchanges.append(
          .init(
            level: .between, sendersPerNode: senders, messages: 1, bytes: bytes,
            time: link.time(messages: sharers, bytes: bytes * sharers)))
      }
    }
    let profile = try ClusterFit(samples, of: Self.machine()).profile
    #expect(profile.network.ranksPerPort == sharing)
    let segment = profile.network.between.segments.last!
    #expect(abs(segment.bandwidth.value / link.segments[0].bandwidth.value - 1) < 0.02)
  }
}
