// SPDX-License-Identifier: Apache-2.0
// epsim: the whole layer against the bare products of its experts.

import CostModel
import ExpertParallel
import Kernels
import MPI
import MoE
import Placement
import Reporting
import Timing
import Workloads

/// One layer over all ranks - route to reduce - against the time of its bare products.
///
/// Hidden 1024, FFN 2048, 16 experts, top-2: the sizes of the PyTorch figure in
/// docs/measurement.md.
struct LayerBench {
  let type: ElementType
  private let steps = 20
  private let bound = 1.35

  func run(_ context: KernelContext, on comm: borrowing Communicator) throws -> [BenchResult] {
    // Rows per expert: tokens of all ranks * top-k / experts.
    try [64, 128, 512].map { rows in
      let configuration = try BenchModel(hidden: 1024, inner: 2048, type: type, wire: type)
        .configuration(tokens: rows * 16 / 2, ranks: comm.size, steps: steps)
      let products = try BareProducts(configuration, context: context, on: comm)
      let (timeline, bareTimes) = try InterleavedTimer.run(
        configuration, alternatingWith: products.run, context: context, on: comm)
      // Rank 0 holds the stamps; the verdict must be the same everywhere.
      let own = timeline?.stepTimes().map { $0 / 1e6 } ?? Array(repeating: 0, count: steps)
      let layerTimes = try comm.broadcast(own, root: 0)
      let ratio = PairedRatio(layerTimes, base: bareTimes).ratio.median
      return BenchResult(
        name: "whole layer, \(type), \(products.rowsPerExpert) rows per expert",
        measured: Quantity.significant(Estimate(layerTimes).median * 1e3) + " ms",
        limit: Quantity.significant(Estimate(bareTimes).median * 1e3) + " ms",
        share: Quantity.fixed(ratio, 3) + " x",
        bound: "at most \(Quantity.fixed(bound, 2)) x", holds: ratio <= bound)
    }
  }
}

/// The model and workload of the layer and row benchmarks: 16 experts, top-2, no shared experts.
struct BenchModel {
  let hidden: Int
  let inner: Int
  let type: ElementType
  let wire: ElementType

  func configuration(tokens: Int, ranks: Int, steps: Int) throws -> RunConfiguration {
    let model = ModelShape(
      name: "bench", source: "epsim", hiddenSize: hidden, expertFFNSize: inner, expertCount: 16,
      topK: 2, layerCount: 1,
      router: RouterRule(score: .softmax, renormalises: true))
    let topology = Topology(ranks: ranks)
    let placement = try PlacementSpec(parsing: "contiguous").place(
      load: LoadHistogram(layers: [0], expertCount: 16), topology: topology, groups: 1,
      modelLayers: [0])
    let warmup = 2
    return RunConfiguration(
      model: model, layers: [0], elementType: type, weightSharing: .shared, seed: 1,
      tokenCount: tokens,
      rankOfPosition: try (0..<steps + warmup).map { _ in
        try TokenAssignment.block.ranks(tokenCount: tokens, rankCount: ranks)
      },
      warmupSteps: warmup, measuredSteps: steps,
      routings: [.workload(BalancedRouting())],
      cases: [
        RunCase(
          name: "bench", placement: placement, replicaChoice: .expertRoundRobin,
          exchange: ExchangeScheme(wire: WireFormat(wire)))
      ], topology: topology, checksReference: false)
  }
}

/// Experts in turn, so that every expert gets the same number of rows.
struct BalancedRouting: RoutingSource {
  let name = "balanced"
  let expertCount = 16
  let topK = 2

  func hasLayer(_ layer: Int) -> Bool { true }

  func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    for row in 0..<positions.count {
      let position = Int(positions[row])
      decision.expertIndices[2 * row] = Int32(2 * position % 16)
      decision.expertIndices[2 * row + 1] = Int32((2 * position + 1) % 16)
      decision.routingWeights[2 * row] = 0.5
      decision.routingWeights[2 * row + 1] = 0.5
    }
  }
}

/// The products of a rank's experts without anything around them.
private final class BareProducts {
  private let ffn: ExpertFFN
  private let experts: [ExpertFFN.Weights]
  private let input: FloatBuffer
  private let output: FloatBuffer
  let rowsPerExpert: Int

  init(
    _ configuration: RunConfiguration, context: KernelContext, on comm: borrowing Communicator
  ) throws {
    let model = configuration.model
    ffn = try ExpertFFN(
      context: context, hiddenSize: model.hiddenSize, ffnSize: model.expertFFNSize,
      type: configuration.elementType)
    try ffn.prepare()
    let source = FloatBuffer(model.expertParameterCount)
    CounterRandom(seed: 1).fillUniform(source.values, bound: 0.02)
    let placement = configuration.cases[0].placement
    let count = placement.slots(ofRank: comm.rank).count
    rowsPerExpert = configuration.tokenCount * model.topK / model.expertCount
    experts = try (0..<count).map { [ffn] _ in
      try ffn.pack(
        gateUp: source.values.baseAddress!,
        down: source.values.baseAddress! + 2 * model.hiddenSize * model.expertFFNSize)
    }
    // Every expert has rows of its own, as in the layer.
    let valueCount = count * rowsPerExpert * model.hiddenSize
    let floats = FloatBuffer(valueCount)
    CounterRandom(seed: 2).fillUniform(floats.values, bound: 1)
    input = FloatBuffer(valueCount)
    RowKernels.convert(
      count: valueCount, from: floats.values.baseAddress!, type: .f32,
      into: input.values.baseAddress!, type: configuration.elementType)
    output = FloatBuffer(valueCount)
    // Leaves activations for the second products, which would else multiply zeros.
    forEachExpert { weights, x, y in ffn.apply(rows: rowsPerExpert, x: x, weights: weights, y: y) }
  }

  /// Runs the products of every expert once. Local.
  func run() {
    forEachExpert { weights, x, y in
      ffn.productsOnly(rows: rowsPerExpert, x: x, weights: weights, y: y)
    }
  }

  private func forEachExpert(
    _ body: (ExpertFFN.Weights, UnsafeRawPointer, UnsafeMutablePointer<Float>) -> Void
  ) {
    let rowBytes = ffn.hiddenSize * ffn.type.byteCount
    for (index, weights) in experts.enumerated() {
      body(
        weights,
        UnsafeRawPointer(input.values.baseAddress!) + index * rowsPerExpert * rowBytes,
        output.values.baseAddress! + index * rowsPerExpert * ffn.hiddenSize)
    }
  }
}
