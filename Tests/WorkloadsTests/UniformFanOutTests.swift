// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the expected number of distinct ranks of a token.

import MoE
import Testing
import Workloads

@Suite struct UniformFanOutTests {
  @Test func publishedValuesAreMet() {
    // E = 256, K = 8: R (1 - C(E - E/R, K) / C(E, K)).
    for (ranks, expected) in [
      (2, 1.9930), (4, 3.6142), (8, 5.2947), (16, 6.5233), (32, 7.2668), (64, 7.6758),
      (128, 7.8902), (256, 8.0),
    ] {
      let value = ContiguousFanOut.uniform(expertCount: 256, topK: 8, rankCount: ranks)
      #expect(abs(value - expected) < 5e-5)
    }
    #expect(ContiguousFanOut.uniform(expertCount: 5, topK: 5, rankCount: 9) == 5)
    #expect(ContiguousFanOut.uniform(expertCount: 7, topK: 3, rankCount: 1) == 1)
  }

  @Test(arguments: [(256, 8, 8), (256, 8, 64), (60, 4, 8), (10, 3, 4), (4, 2, 7)])
  func theGeneratorHasTheExpectedFanOut(experts: Int, topK: Int, ranks: Int) {
    let source = UniformWorkload(expertCount: experts, topK: topK, seed: 1)
    let tokens = 20_000
    let distinct = choices(source, tokens: tokens).reduce(0) { sum, chosen in
      sum + Set(chosen.map { $0 * ranks / experts }).count
    }
    let expected = ContiguousFanOut.uniform(
      expertCount: experts, topK: topK, rankCount: ranks)
    #expect(abs(Double(distinct) / Double(tokens) - expected) < 0.01 * expected)
  }
}
