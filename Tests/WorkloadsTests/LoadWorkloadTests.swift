// SPDX-License-Identifier: Apache-2.0
// epsim: tests of routing that reproduces the loads of a file.

import MoE
import Testing
import Workloads

@Suite struct LoadWorkloadTests {
  private func load(_ text: String) throws -> LoadHistogram {
    try LoadHistogram(bytes: Array(text.utf8), name: "f")
  }

  @Test(arguments: [
    ("deepseek-v2-lite_law_load", 6, 9), ("deepseek-v2-lite_intent_load", 6, 25),
    ("mixtral-8x7b-base_college_medicine_load", 2, 31), ("olmoe-1b-7b_c4_load_layers0-7-15", 8, 1),
  ])
  func aMillionTokensHaveTheMarginalsOfTheFile(name: String, topK: Int, row: Int) throws {
    let load = try LoadHistogram(bytes: Fixtures.load(name), name: name)
    let source = try LoadWorkload(load: load, topK: topK, seed: 1)
    let loads = Array(load.row(row))
    let expected = LoadWorkload.probabilities(loads, topK: topK)
    #expect(abs(expected.reduce(0, +) - Double(topK)) < 1e-9)
    let sum = Double(loads.reduce(0, +))
    let tokens = 100_000
    let found = counts(source, layer: row, steps: 0..<10, tokens: tokens)
    for expert in loads.indices {
      let probability = Double(topK * loads[expert]) / sum
      #expect(abs(expected[expert] - probability) < 1e-9)
      let count = found[expert]
      if probability >= 0.05 {
        #expect(abs(Double(count) / 1e6 - probability) < 0.02 * probability, "expert \(expert)")
      } else {
        expectCount(count, of: 10 * tokens, probability: probability, "expert \(expert)")
      }
    }
    for chosen in choices(source, layer: row, tokens: 5000) { #expect(Set(chosen).count == topK) }
  }

  @Test func probabilitiesAboveOneAreOneAndTheOthersShareTheRest() {
    // 3 * 80 / 100 > 1, so expert 0 is always chosen and 2 of 20 are left: 2 * 8 / 20 = 0.8, ...
    let probabilities = LoadWorkload.probabilities([80, 8, 6, 4, 2], topK: 3)
    for (found, expected) in zip(probabilities, [1, 0.8, 0.6, 0.4, 0.2]) {
      #expect(abs(found - expected) < 1e-9)
    }
    // Filling one lifts the next: 2 * 9 / 12 > 1 after the first is gone.
    let twice = LoadWorkload.probabilities([100, 9, 2, 1], topK: 3)
    for (found, expected) in zip(twice, [1, 1, 2.0 / 3, 1.0 / 3]) {
      #expect(abs(found - expected) < 1e-9)
    }
    #expect(LoadWorkload.probabilities([5, 0, 7], topK: 2) == [1, 0, 1])
    #expect(LoadWorkload.probabilities([1, 1, 1], topK: 3) == [1, 1, 1])
    let most = LoadHistogram.maximumCount
    #expect(LoadWorkload.probabilities([most, 1, 1], topK: 1)[0] <= 1)
  }

  @Test func cappedLoadsAreRoutedAsTheirProbabilities() throws {
    let source = try LoadWorkload(load: load("80,8,6,4,2,0"), topK: 3, seed: 2)
    let found = counts(source, tokens: 50_000)
    #expect(found[0] == 50_000 && found[5] == 0)
    for (expert, probability) in [(1, 0.8), (2, 0.6), (3, 0.4), (4, 0.2)] {
      expectCount(found[expert], of: 50_000, probability: probability)
    }
  }

  @Test func manyOrdersLetAllPairsMeet() throws {
    // One order of equal loads would make 2 of 8 experts that are 4 apart the only pairs.
    let source = try LoadWorkload(load: load("1,1,1,1,1,1,1,1"), topK: 2, seed: 1)
    let pairs = Set(choices(source, tokens: 4000).map { Set($0) })
    #expect(pairs.count == 28)
    // And the first choice is as often the one as the other.
    let firsts = choices(source, tokens: 40_000).count(where: { $0[0] < $0[1] })
    expectCount(firsts, of: 40_000, probability: 0.5)
  }

  @Test func manyExpertsAreRouted() throws {
    var text = (0..<16384).map { String($0 % 97 + 1) }.joined(separator: ",")
    text += "\n" + (0..<16384).map { String(16384 - $0) }.joined(separator: ",")
    let source = try LoadWorkload(load: load(text), topK: 64, seed: 1)
    #expect(choices(source, layer: 1, tokens: 500).allSatisfy { Set($0).count == 64 })
  }

  @Test func layersAreThoseOfTheLines() throws {
    let load = try LoadHistogram(
      bytes: Array("1,0,0\n0,0,1\n".utf8), name: "f", layerLists: [[3, 7]], expertCount: 3)
    let source = try LoadWorkload(load: load, topK: 1, seed: 1)
    #expect((0..<10).filter { source.hasLayer($0) } == [3, 7])
    #expect(counts(source, layer: 3, tokens: 9) == [9, 0, 0])
    #expect(counts(source, layer: 7, tokens: 9) == [0, 0, 9])
  }

  @Test func linesWithTooFewExpertsAreRefused() {
    expectInputError("fewer than 2 experts of layer 1", "workload f") {
      _ = try LoadWorkload(load: self.load("1,2,3\n0,5,0\n"), topK: 2, seed: 1, name: "f")
    }
    expectInputError("layer 0") { _ = try LoadWorkload(load: self.load("0,0"), topK: 1, seed: 1) }
  }
}
