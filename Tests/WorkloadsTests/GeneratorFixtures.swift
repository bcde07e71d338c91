// SPDX-License-Identifier: Apache-2.0
// epsim: what tests of generators share.

import MoE
import Testing
import Workloads

/// Routes some positions of a step.
func route(
  _ source: any RoutingSource, layer: Int, step: Int, positions: [Int32]
) -> RoutingDecision {
  var decision = RoutingDecision(tokenCount: positions.count, topK: source.topK)
  source.route(layer: layer, step: step, positions: positions.span, into: &decision)
  return decision
}

/// [T][K] experts of the first tokens of a step.
func choices(_ source: any RoutingSource, layer: Int = 0, step: Int = 0, tokens: Int) -> [[Int]] {
  let decision = route(source, layer: layer, step: step, positions: (0..<Int32(tokens)).map { $0 })
  return (0..<tokens).map { token in
    decision.expertIndices[token * source.topK..<(token + 1) * source.topK].map { Int($0) }
  }
}

/// [E] assignments of one layer.
func counts(
  _ source: any RoutingSource, layer: Int = 0, steps: Range<Int> = 0..<1, tokens: Int
) -> [Int] {
  LoadHistogram(source: source, layers: [layer], steps: steps, windowSize: tokens).counts
}

/// The generator of a spec for a shape.
func generator(
  _ text: String, experts: Int, topK: Int, layers: Int = 4, tokens: Int = 64, seed: UInt64 = 1,
  load: LoadHistogram? = nil
) throws -> any RoutingSource {
  try #require(
    try WorkloadSpec(parsing: text).generator(
      expertCount: experts, topK: topK, layerCount: layers, seed: seed, tokensPerStep: tokens,
      load: load))
}

/// Expects a count within five standard deviations of what independent trials of a probability
/// give.
func expectCount(
  _ count: Int, of trials: Int, probability: Double, _ comment: Comment? = nil,
  location: SourceLocation = #_sourceLocation
) {
  let mean = Double(trials) * probability
  let deviation = (mean * (1 - probability)).squareRoot()
  #expect(
    abs(Double(count) - mean) <= 5 * deviation + 1e-6,
    "\(count), expected \(mean) with deviation \(deviation) \(comment?.rawValue ?? "")",
    sourceLocation: location)
}

/// [E] probability that an expert is among K successive draws, by summing over all sequences.
func inclusion(_ popularity: [Double], topK: Int) -> [Double] {
  var result = popularity.map { _ in 0.0 }
  func draw(_ probability: Double, _ taken: Set<Int>) {
    guard taken.count < topK else { return }
    let rest = popularity.indices.filter { !taken.contains($0) }
    let sum = rest.reduce(0) { $0 + popularity[$1] }
    for expert in rest {
      let now = probability * popularity[expert] / sum
      result[expert] += now
      draw(now, taken.union([expert]))
    }
  }
  draw(1, [])
  return result
}
