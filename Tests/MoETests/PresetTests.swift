// SPDX-License-Identifier: Apache-2.0
// epsim: tests of all shipped presets: published counts, caches, dense equals.

import Foundation
import MoE
import Testing

private let folder = URL(filePath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().appending(path: "models")
private let names = try! FileManager.default.contentsOfDirectory(atPath: folder.path)
  .filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()

private func file(_ name: String) throws -> ModelFile {
  try ModelFile(
    yaml: String(contentsOf: folder.appending(path: name + ".yaml"), encoding: .utf8), place: name)
}

/// Published totals that the published sizes do not give.
private let knownDeviations = [
  "kimi-k2": "1.04T is what experts in all 61 layers would give; its first layer has none"
]

@Suite struct PresetTests {
  @Test(arguments: names) func presetIsWellFormed(name: String) throws {
    let file = try file(name)
    #expect(file.model.name == name && !file.model.source.isEmpty && !file.family.isEmpty)
    #expect(file.published.map { !$0.source.isEmpty } ?? true)
    #expect(try file.model.checked(place: name) == file.model)
  }

  @Test(arguments: names) func publishedTotalIsReproducedWithinOnePercent(name: String) throws {
    let file = try file(name)
    guard let total = file.published?.total else { return }
    let deviation = Double(ParameterCount(file.model).total) / total - 1
    if let reason = knownDeviations[name] {
      #expect(abs(deviation) >= 0.01, "\(name) is no exception any more: \(reason)")
    } else {
      #expect(abs(deviation) < 0.01, "\(name): \(deviation * 100) %")
    }
  }

  @Test func mostPresetsHaveAPublishedTotal() throws {
    #expect(names.count == 42)
    #expect(try names.count { try file($0).published?.total != nil } == 36)
  }

  /// By hand: Llama-2-70B keeps 2 x 8 heads x 128 values in 80 layers, DeepSeek-V3 512 + 64 in 61,
  /// gpt-oss-20b 2 x 8 x 64 in 12 layers and as many in 12 with a window of 128.
  @Test func cachesAreThoseOfTheFormulas() throws {
    func cache(_ name: String) throws -> ContextCache { ContextCache(try file(name).model) }
    #expect(try cache("llama-2-70b").valuesPerToken == 80 * 2 * 8 * 128)
    #expect(try cache("deepseek-v3").valuesPerToken == 61 * 576)
    #expect(try cache("deepseek-v3.2").valuesPerToken == 61 * (576 + 128))
    let oss = try cache("gpt-oss-20b")
    #expect(oss.valuesPerToken == 12 * 1024)
    #expect(oss.windows.map(\.size) == [128] && oss.windows[0].valuesPerToken == 12 * 1024)
    #expect(oss.values(tokens: 1000) == 12 * 1024 * (1000 + 128))
    #expect(oss.values(tokens: 100) == 12 * 1024 * 200)
    // Qwen3-Next: 12 layers of 2 heads of 256; 36 states of 32 x 128 x 128 and 3 x 8192 inputs.
    let next = try cache("qwen3-next-80b-a3b")
    #expect(next.valuesPerToken == 12 * 2 * 2 * 256 && next.windows.isEmpty)
    #expect(next.stateValues == 36 * (32 * 128 * 128 + 3 * 8192))
    #expect(try cache("tiny") == ContextCache(file("tiny").model))
    #expect(try cache("tiny").values(tokens: 1 << 20) == 0)
  }

  /// Weights by hand: Mixtral on 8 ranks holds one expert of each of 32 layers, and all the rest.
  @Test func footprintOfALargestRankAddsUp() throws {
    let mixtral = try file("mixtral-8x7b").model
    let eight = ModelFootprint(mixtral, ranks: 8)
    #expect(eight.expertsPerRank == 1 && eight.routedWeights == 32 * 176_160_768)
    let one = ModelFootprint(mixtral, ranks: 1)
    #expect(one.routedWeights + one.otherWeights == ParameterCount(mixtral).total)
    #expect(one.bytes(bits: 16) == 2 * ParameterCount(mixtral).total)
    #expect(one.bytes(bits: 8) == ParameterCount(mixtral).total)
    #expect(one.bytes(bits: 4) == ParameterCount(mixtral).total / 2)
    #expect(ModelFootprint(mixtral, ranks: 3).expertsPerRank == 3)
    let two = ModelFootprint(mixtral, ranks: 8, slots: 2)
    #expect(two.routedWeights == 2 * eight.routedWeights)
    #expect(two.otherWeights == eight.otherWeights)
  }

  @Test(arguments: names) func denseEqualHasAsManyParameters(name: String) throws {
    let model = try file(name).model
    let wanted = ParameterCount(model)
    for match in DenseEquivalent.Match.allCases {
      let dense = try #require(DenseEquivalent(of: model, match: match))
      #expect(dense.model.moeLayers.isEmpty && dense.model.layerCount == model.layerCount)
      #expect(dense.model.attention == model.attention)
      // Half a unit of width in every layer.
      let step = dense.model.denseLayerCount * model.activation.matrixCount * model.hiddenSize
      let own = match == .total ? dense.count.total : dense.count.active
      let other = match == .total ? wanted.total : wanted.active
      #expect(abs(own - other) <= (step + 1) / 2, "\(name) \(match)")
    }
    if model.moeLayers.isEmpty {
      // A dense model is its own equal.
      #expect(DenseEquivalent(of: model, match: .total)?.model.denseFFNSize == model.denseFFNSize)
    }
  }

  @Test func runsRefuseDenseModelsAndLatentRowsInOneSentence() throws {
    let dense = #expect(throws: InputError.self) { try file("llama-2-70b").model.requireExperts() }
    #expect(try #require(dense).description.contains("is dense"))
    let latent = #expect(throws: InputError.self) {
      try file("kimi-k3").model.requireFullWidthRows()
    }
    #expect(try #require(latent).description.contains("from 7168 to 3584"))
    try file("mixtral-8x7b").model.requireExperts()
    try file("mixtral-8x7b").model.requireFullWidthRows()
  }
}
