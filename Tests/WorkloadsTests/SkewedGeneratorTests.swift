// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the laws of popularity: log-normal, domains, loads of a file.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct SkewedGeneratorTests {
  @Test func lognormalPopularityIsLognormal() {
    // Mean and deviation of 8192 standard normal numbers: within 5/sqrt(8192) and its like.
    let logs = LognormalWorkload.popularity(
      sigma: 2, expertCount: 4096, layerCount: 2, seed: 5
    ).map { log($0) / 2 }
    let count = Double(logs.count)
    let mean = logs.reduce(0, +) / count
    let variance = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    #expect(abs(mean) < 5 / count.squareRoot())
    #expect(abs(variance - 1) < 5 * (2 / count).squareRoot())
    // A normal law has as much beyond one deviation as it should: 31.73 %.
    expectCount(logs.count(where: { abs($0) > 1 }), of: logs.count, probability: 0.31731)
  }

  @Test func lognormalTokensFollowTheirPopularity() {
    let popularity = LognormalWorkload.popularity(
      sigma: 1, expertCount: 6, layerCount: 2, seed: 3)
    let source = LognormalWorkload(sigma: 1, expertCount: 6, topK: 3, layerCount: 2, seed: 3)
    for layer in 0..<2 {
      let expected = inclusion(Array(popularity[layer * 6..<layer * 6 + 6]), topK: 3)
      for (expert, count) in counts(source, layer: layer, tokens: 40_000).enumerated() {
        expectCount(count, of: 40_000, probability: expected[expert], "expert \(expert)")
      }
    }
    #expect(source.name == "lognormal:1.0")
  }

  private func domains(
    _ count: Int, alpha: Double = 0.5, drift: Int = 0, run: Int = 1, experts: Int = 8, topK: Int = 1
  ) throws -> DomainsWorkload {
    try DomainsWorkload(
      .init(domainCount: count, alpha: alpha, driftPeriod: drift, runLength: run),
      expertCount: experts, topK: topK, layerCount: 2, seed: 7)
  }

  @Test(arguments: [0.1, 1.0, 20.0])
  func domainPopularitiesHaveTheDirichletLaw(alpha: Double) {
    // A share of E has mean 1/E and variance (1/E) (1 - 1/E) / (E alpha + 1).
    let experts = 8
    let rows = 4000
    let law = DomainsWorkload.Law(domainCount: rows, alpha: alpha, driftPeriod: 0, runLength: 1)
    let all = DomainsWorkload.popularity(law, expertCount: experts, layerCount: 1, seed: 2)
    let shares = (0..<rows).map { row in
      let popularity = all[row * experts..<(row + 1) * experts]
      return popularity[row * experts + 3] / popularity.reduce(0, +)
    }
    let mean = shares.reduce(0, +) / Double(rows)
    let squares = shares.map { ($0 - 0.125) * ($0 - 0.125) }
    let variance = squares.reduce(0, +) / Double(rows)
    let expected = 0.125 * 0.875 / (Double(experts) * alpha + 1)
    #expect(abs(mean - 0.125) < 5 * (expected / Double(rows)).squareRoot())
    let fourth = squares.reduce(0) { $0 + $1 * $1 } / Double(rows)
    let error = ((fourth - variance * variance) / Double(rows)).squareRoot()
    #expect(abs(variance - expected) < 5 * error)
  }

  @Test func tokensOfADomainFollowItsPopularity() throws {
    let source = try domains(3, topK: 2)
    let all = DomainsWorkload.popularity(source.law, expertCount: 8, layerCount: 2, seed: 7)
    let tokens = 60_000
    let rows = choices(source, layer: 1, tokens: tokens)
    for domain in 0..<3 {
      let own = (0..<tokens).filter { source.domain(step: 0, position: $0) == domain }
      expectCount(own.count, of: tokens, probability: 1.0 / 3)
      let expected = inclusion(Array(all[(3 + domain) * 8..<(4 + domain) * 8]), topK: 2)
      for expert in 0..<8 {
        expectCount(
          own.count(where: { rows[$0].contains(expert) }), of: own.count,
          probability: min(1, expected[expert]), "domain \(domain), expert \(expert)")
      }
    }
  }

  @Test func theMixtureDriftsAroundTheDomains() throws {
    let source = try domains(4, drift: 8)
    for step in 0..<16 {
      let mixture = source.mixture(step: step)
      #expect(abs(mixture.reduce(0, +) - 1) < 1e-12 && mixture.allSatisfy { $0 >= 0 })
      var found = [0, 0, 0, 0]
      for position in 0..<20_000 { found[source.domain(step: step, position: position)] += 1 }
      for domain in 0..<4 {
        expectCount(found[domain], of: 20_000, probability: min(1, max(0, mixture[domain])))
      }
    }
    // Domain d is at its height, 2/N, in step d P / N, and absent half a period later.
    #expect(abs(source.mixture(step: 2)[1] - 0.5) < 1e-12)
    #expect(source.mixture(step: 6)[1] < 1e-12)
    #expect(source.mixture(step: 9) == source.mixture(step: 1))
    #expect(try domains(1, drift: 8).mixture(step: 3) == [1])
  }

  @Test func aRunOfPositionsHasOneDomain() throws {
    let source = try domains(5, run: 16)
    let found = (0..<1600).map { source.domain(step: 3, position: $0) }
    for run in 0..<100 { #expect(Set(found[run * 16..<(run + 1) * 16]).count == 1) }
    #expect(Set(found).count == 5)
  }

  @Test func tooManyDomainsAreRefused() {
    expectInputError("4096 domains", "at most 1024") {
      _ = try DomainsWorkload(
        .init(domainCount: 4096, alpha: 1, driftPeriod: 0, runLength: 1), expertCount: 256,
        topK: 8, layerCount: 64, seed: 1)
    }
  }

  @Test func wideAndNarrowLawsStillGiveDistinctExperts() throws {
    // All the popularity of a domain in one expert: the others have practically none.
    for alpha in [0.001, 1000] {
      let source = try domains(2, alpha: alpha, experts: 64, topK: 64)
      #expect(choices(source, tokens: 20).allSatisfy { Set($0).count == 64 })
    }
  }
}
