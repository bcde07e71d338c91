// SPDX-License-Identifier: Apache-2.0
// epsim: tests of synthetic weights, inputs and the reference layer.

import MoE
import Testing

private let model = ModelShape(
  name: "test", source: "test", hiddenSize: 48, expertFFNSize: 20, expertCount: 4, topK: 2,
  sharedExpertCount: 1, layerCount: 3, denseLayerCount: 0, denseFFNSize: 0, vocabularySize: 0,
  attention: [], expertGroupCount: 1, router: RouterRule(score: .softmax, renormalises: true))

private func filled(_ count: Int, _ fill: (UnsafeMutableBufferPointer<Float>) -> Void) -> [Float] {
  var values = [Float](repeating: .nan, count: count)
  values.withUnsafeMutableBufferPointer { fill($0) }
  return values
}

@Suite struct WeightsTests {
  let weights = ModelWeights(model: model, seed: 1, sharing: .perLayer)

  private func gateUp(_ weights: ModelWeights, layer: Int, expert: Int) -> [Float] {
    filled(48 * 40) { weights.fillGateUp(layer: layer, expert: expert, into: $0) }
  }

  @Test func weightsAreAFunctionOfSeedLayerAndExpert() {
    let one = gateUp(weights, layer: 1, expert: 2)
    #expect(one == gateUp(weights, layer: 1, expert: 2))
    #expect(one != gateUp(weights, layer: 2, expert: 2))
    #expect(one != gateUp(weights, layer: 1, expert: 3))
    #expect(
      one != gateUp(ModelWeights(model: model, seed: 2, sharing: .perLayer), layer: 1, expert: 2))
  }

  @Test func sharedWeightsAreThoseOfLayerZero() {
    let shared = ModelWeights(model: model, seed: 1, sharing: .shared)
    #expect(gateUp(shared, layer: 2, expert: 1) == gateUp(weights, layer: 0, expert: 1))
  }

  @Test func weightsAreCentredWithVarianceOneOverFanIn() {
    let values = filled(20_000) { weights.fillGateUp(layer: 0, expert: 0, into: $0) }.map(
      Double.init)
    let mean = values.reduce(0, +) / 20_000
    let variance = values.reduce(0) { $0 + $1 * $1 } / 20_000
    // Standard error of the mean: sqrt(1/48/20000) = 0.001; of the variance about 0.6 %.
    #expect(abs(mean) < 0.005)
    #expect(abs(variance * 48 - 1) < 0.05)
  }

  @Test func inputsAreStandardNormalAndDependOnTheTokenOnly() {
    let inputs = TokenInputs(seed: 1, hiddenSize: 20_001)
    let row = filled(20_001) { inputs.fill(globalToken: 7, into: $0) }
    #expect(row == filled(20_001) { inputs.fill(globalToken: 7, into: $0) })
    #expect(row != filled(20_001) { inputs.fill(globalToken: 8, into: $0) })
    let mean = row.reduce(0.0) { $0 + Double($1) } / 20_001
    let variance = row.reduce(0.0) { $0 + Double($1) * Double($1) } / 20_001
    #expect(abs(mean) < 0.03 && abs(variance - 1) < 0.05)
  }

  @Test func referenceIsLinearInTheRoutingWeights() {
    let reference = ReferenceLayer(weights: weights, layer: 1)
    let inputs = filled(48) { TokenInputs(seed: 3, hiddenSize: 48).fill(globalToken: 0, into: $0) }
    func output(_ experts: [Int32], _ factors: [Float]) -> [Double] {
      reference.output(
        inputs: inputs,
        decision: RoutingDecision(topK: 2, expertIndices: experts, routingWeights: factors))
    }
    let none = output([-1, -1], [1, 1])  // only the shared expert
    let first = output([0, -1], [0.5, 1])
    let both = output([0, 3], [0.5, 0.25])
    let second = output([-1, 3], [1, 0.25])
    #expect(none.contains { $0 != 0 })
    for column in 0..<48 {
      let sum = first[column] + second[column] - none[column]
      #expect(abs(both[column] - sum) < 1e-12)
    }
  }

  @Test func referenceErrorSeesASingleWrongValueAndNaN() {
    let reference = [1.0, -2.0, 4.0, 0.5]
    #expect(ReferenceLayer.error(of: [1, -2, 4, 0.5], reference: reference, hidden: 2) == 0)
    #expect(ReferenceLayer.error(of: [1, -2, 4, 1.5], reference: reference, hidden: 2) == 0.25)
    #expect(
      ReferenceLayer.error(of: [1, -2, .nan, 0.5], reference: reference, hidden: 2) == .infinity)
  }
}
