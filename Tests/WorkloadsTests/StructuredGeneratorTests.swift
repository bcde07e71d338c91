// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what is chosen together, in a layer and from layer to layer.

import MoE
import Testing
import Workloads

@Suite struct StructuredGeneratorTests {
  private func coactive(
    _ clusters: Int, _ inside: Double, experts: Int = 24, topK: Int = 4
  ) -> CoactiveWorkload {
    CoactiveWorkload(
      clusterCount: clusters, inside: inside, expertCount: experts, topK: topK, layerCount: 3,
      seed: 6)
  }

  @Test(arguments: [(4, 0.8), (3, 0.3), (2, 1.0), (6, 0.0), (4, 0.25)])
  func pairsHaveTheLiftThatIsExpected(clusters: Int, inside: Double) {
    let source = coactive(clusters, inside)
    let tokens = 60_000
    var together: [Bool: Int] = [:]
    let clusterOf = source.clusters(layer: 1).enumerated().reduce(into: [Int: Int]()) {
      for expert in $1.element { $0[Int(expert)] = $1.offset }
    }
    #expect(clusterOf.count == 24)
    for chosen in choices(source, layer: 1, tokens: tokens) {
      for first in 0..<4 {
        for second in 0..<first {
          together[clusterOf[chosen[first]] == clusterOf[chosen[second]], default: 0] += 1
        }
      }
    }
    let width = 24 / clusters
    let pairsWithin = Double(clusters * width * (width - 1) / 2)
    let independent = Double(tokens) * (4.0 / 24) * (4.0 / 24)
    let within = Double(together[true] ?? 0) / (pairsWithin * independent)
    let across = Double(together[false] ?? 0) / ((276 - pairsWithin) * independent)
    let expected = source.expectedLift
    #expect(abs(within - expected.within) < 0.02 * max(1, expected.within))
    #expect(abs(across - expected.across) < 0.02 * max(1, expected.across))
    // All pairs are as many as there are: 6 per token.
    #expect((together[true] ?? 0) + (together[false] ?? 0) == 6 * tokens)
  }

  @Test func coactiveExpertsAreAllEquallyOftenChosen() {
    for count in counts(coactive(4, 0.9), layer: 2, tokens: 60_000) {
      // Choices of a token are not independent, but its being among them is one trial.
      expectCount(count, of: 60_000, probability: 4.0 / 24)
    }
  }

  @Test func clustersPartitionTheExpertsOfEachLayer() {
    let source = coactive(5, 0.8, experts: 23)
    for layer in 0..<3 {
      let clusters = source.clusters(layer: layer)
      #expect(clusters.count == 5 && clusters.allSatisfy { $0.count == 4 || $0.count == 5 })
      #expect(clusters.flatMap { $0 }.sorted() == (0..<23).map { $0 })
    }
    #expect(source.clusters(layer: 0) != source.clusters(layer: 1))
    // One cluster of all experts, and one for each, exhaust a side at once.
    for (clusters, inside) in [(1, 0.0), (23, 1.0), (2, 0.0), (2, 1.0)] {
      let narrow = coactive(clusters, inside, experts: 23, topK: 23)
      #expect(choices(narrow, tokens: 50).allSatisfy { Set($0).count == 23 })
    }
  }

  private func affinity(_ strength: Double, branches: Int, topK: Int = 2) -> AffinityWorkload {
    AffinityWorkload(
      strength: strength, branchCount: branches, expertCount: 12, topK: topK, layerCount: 6, seed: 8
    )
  }

  /// The family of each expert of a layer.
  private func familyOf(_ source: AffinityWorkload, layer: Int) -> [Int: Int] {
    source.families(layer: layer).enumerated().reduce(into: [:]) {
      for expert in $1.element { $0[Int(expert)] = $1.offset }
    }
  }

  @Test(arguments: [(0.9, 1), (0.5, 3), (0.0, 4), (1.0, 2), (0.7, 5)])
  func firstChoicesFollowTheTransition(strength: Double, branches: Int) {
    let source = affinity(strength, branches: branches)
    let tokens = 30_000
    for layer in [0, 4] {
      let now = choices(source, layer: layer, tokens: tokens).map { $0[0] }
      let next = choices(source, layer: layer + 1, tokens: tokens).map { $0[0] }
      let family = (familyOf(source, layer: layer), familyOf(source, layer: layer + 1))
      let sizes = source.families(layer: layer).map(\.count)
      // One expert of each family size: (12 and 5 leave a family of 2.)
      for expert in [0, 1, 11] {
        let own = (0..<tokens).filter { now[$0] == expert }
        expectCount(own.count, of: tokens, probability: 1.0 / 12)
        let leadsTo = family.0[expert]!
        for target in 0..<12 {
          let follows = family.1[target] == leadsTo
          let probability = (1 - strength) / 12 + (follows ? strength / Double(sizes[leadsTo]) : 0)
          expectCount(
            own.count(where: { next[$0] == target }), of: own.count, probability: probability,
            "layer \(layer), from \(expert) to \(target)")
        }
      }
    }
  }

  @Test func affinityReachesAcrossLayersWithTheProbabilityOfNoNewDraw() {
    // Four layers on, the family is the same with probability p^4 + (1 - p^4) / 12.
    let source = affinity(0.8, branches: 1, topK: 1)
    let now = choices(source, layer: 1, tokens: 40_000)
    let then = choices(source, layer: 5, tokens: 40_000)
    let family = (familyOf(source, layer: 1), familyOf(source, layer: 5))
    let same = zip(now, then).count(where: { family.0[$0[0]] == family.1[$1[0]] })
    let stays = 0.8 * 0.8 * 0.8 * 0.8
    expectCount(same, of: 40_000, probability: stays + (1 - stays) / 12)
  }

  @Test func otherChoicesAreUniform() {
    for count in counts(affinity(0.9, branches: 2, topK: 3), layer: 3, tokens: 60_000) {
      expectCount(count, of: 60_000, probability: 3.0 / 12)
    }
  }
}
