// SPDX-License-Identifier: Apache-2.0
// epsim: live routing against the experts that it feeds.

import Kernels
import MPI
import MoE
import Reporting
import Timing

/// Gate product, rule and selection per token, as a share of the token's expert time.
struct RouterBench {
  let type: ElementType
  private let tokens = 512
  private let rowsPerExpert = 64
  private let bound = 0.05

  /// Shapes and rules of models/mixtral-8x7b.yaml and models/deepseek-v3.yaml.
  private struct Shape {
    let name: String
    let hidden: Int
    let inner: Int
    let expertCount: Int
    let topK: Int
    let rule: RouterRule
    /// Experts that are computed: more weights than any cache holds.
    let shard: Int
  }

  private let shapes = [
    Shape(
      name: "mixtral-8x7b", hidden: 4096, inner: 14336, expertCount: 8, topK: 2,
      rule: RouterRule(score: .softmax, renormalises: true), shard: 2),
    Shape(
      name: "deepseek-v3", hidden: 7168, inner: 2048, expertCount: 256, topK: 8,
      rule: RouterRule(
        score: .sigmoid, renormalises: true, scaling: 2.5,
        groups: RouterRule.GroupLimit(groupCount: 8, openCount: 4, summedScores: 2),
        hasSelectionBias: true), shard: 8),
  ]

  func run(_ context: KernelContext, on comm: borrowing Communicator) throws -> [BenchResult] {
    try shapes.map { shape in
      let routing = try Routing(
        tokens: tokens, hidden: shape.hidden, topK: shape.topK,
        rule: TopKRouter(rule: shape.rule, expertCount: shape.expertCount, topK: shape.topK),
        hasBias: shape.rule.hasSelectionBias, context: context)
      let experts = try Shard(
        hidden: shape.hidden, inner: shape.inner, count: shape.shard, rows: rowsPerExpert,
        type: type, context: context)
      let times = try InterleavedTimer(repetitions: 11).run(
        [{ routing.run() }, { experts.run() }], on: comm)
      let routed = Estimate(times[0]).median / Double(tokens)
      let computed =
        Estimate(times[1]).median * Double(shape.topK) / Double(shape.shard * rowsPerExpert)
      func text(_ seconds: Double) -> String { Quantity.significant(seconds * 1e6) + " us" }
      return BenchResult(
        name: "live routing per token, \(shape.name), \(type) experts", measured: text(routed),
        limit: text(computed), share: Quantity.percent(routed / computed, 2),
        bound: "at most \(Quantity.percent(bound))", holds: routed <= bound * computed)
    }
  }
}

/// The gate product of a batch and the rule on its logits.
private final class Routing {
  private let product: LinearProduct
  private let weights: PackedWeights
  private let input: FloatBuffer
  private let logits: FloatBuffer
  private let scratch: FloatBuffer
  private let rule: TopKRouter
  private let tokens: [UInt64]
  private let bias: [Float]
  private var decision: RoutingDecision

  init(
    tokens: Int, hidden: Int, topK: Int, rule: TopKRouter, hasBias: Bool, context: KernelContext
  ) throws {
    let experts = rule.expertCount
    self.rule = rule
    self.tokens = (0..<UInt64(tokens)).map { $0 }
    bias = hasBias ? Array(repeating: 0, count: experts) : []
    product = try LinearProduct(
      context: context, inputSize: hidden, outputSize: experts, type: .f32)
    try product.prepare()
    weights = try PackedWeights(for: product)
    let source = FloatBuffer(hidden * experts)
    CounterRandom(seed: 3).fillUniform(source.values, bound: 0.03)
    try product.pack(source.values.baseAddress!, into: weights)
    input = FloatBuffer(tokens * hidden)
    CounterRandom(seed: 4).fillUniform(input.values, bound: 1.7)
    logits = FloatBuffer(tokens * experts)
    scratch = FloatBuffer(rule.scratchCount(tokenCount: tokens))
    decision = RoutingDecision(tokenCount: tokens, topK: topK)
  }

  func run() {
    product.multiply(
      rows: tokens.count, x: input.values.baseAddress!, weights: weights,
      y: logits.values.baseAddress!)
    tokens.withUnsafeBufferPointer { tokens in
      bias.withUnsafeBufferPointer { bias in
        rule.route(
          RouterBatch(
            logits: UnsafeBufferPointer(logits.values), tokens: tokens,
            bias: bias.isEmpty ? nil : bias, scratch: scratch.values),
          into: &decision)
      }
    }
  }
}

/// Some experts with rows of their own.
private final class Shard {
  private let ffn: ExpertFFN
  private let experts: [ExpertFFN.Weights]
  private let input: FloatBuffer
  private let output: FloatBuffer
  private let rows: Int

  init(
    hidden: Int, inner: Int, count: Int, rows: Int, type: ElementType, context: KernelContext
  ) throws {
    self.rows = rows
    ffn = try ExpertFFN(context: context, hiddenSize: hidden, ffnSize: inner, type: type)
    try ffn.prepare()
    let source = FloatBuffer(3 * hidden * inner)
    CounterRandom(seed: 1).fillUniform(source.values, bound: 0.02)
    experts = try (0..<count).map { [ffn] _ in
      try ffn.pack(
        gateUp: source.values.baseAddress!, down: source.values.baseAddress! + 2 * hidden * inner)
    }
    let floats = FloatBuffer(rows * hidden)
    CounterRandom(seed: 2).fillUniform(floats.values, bound: 1)
    input = FloatBuffer(rows * hidden)
    RowKernels.convert(
      count: rows * hidden, from: floats.values.baseAddress!, type: .f32,
      into: input.values.baseAddress!, type: type)
    output = FloatBuffer(rows * hidden)
  }

  func run() {
    for weights in experts {
      ffn.apply(
        rows: rows, x: input.values.baseAddress!, weights: weights, y: output.values.baseAddress!)
    }
  }
}
