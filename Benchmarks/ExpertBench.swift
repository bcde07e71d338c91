// SPDX-License-Identifier: Apache-2.0
// epsim: the expert phase against the bare products.

import Kernels
import MPI
import MoE
import Reporting
import Timing

/// Expert FFNs with activation against their two products alone: same experts, order, row counts.
///
/// Sizes of DeepSeek-V2-Lite; more weights than any cache holds, so that few rows are bound by
/// memory as in a real layer.
struct ExpertBench {
  let type: ElementType
  private let hidden = 2048
  private let inner = 1408
  private let expertCount = 8
  private let repetitions = 11

  /// Rows per expert and the share of the bare rate that must be reached.
  private let cases = [(rows: 8, bound: 0.80), (64, 0.90), (128, 0.90), (200, 0.90), (512, 0.90)]

  func run(_ context: KernelContext, on comm: borrowing Communicator) throws -> [BenchResult] {
    let ffn = try ExpertFFN(
      context: context, hiddenSize: hidden, ffnSize: inner, type: type)
    try ffn.prepare()
    let source = FloatBuffer(3 * hidden * inner)
    CounterRandom(seed: 1).fillUniform(source.values, bound: 0.02)
    let experts = try (0..<expertCount).map { _ in
      try ffn.pack(
        gateUp: source.values.baseAddress!,
        down: source.values.baseAddress! + 2 * hidden * inner)
    }
    let mostRows = cases.map(\.rows).max()!
    let floats = FloatBuffer(mostRows * hidden)
    CounterRandom(seed: 2).fillUniform(floats.values, bound: 1)
    let input = FloatBuffer(mostRows * hidden)
    RowKernels.convert(
      count: mostRows * hidden, from: floats.values.baseAddress!, type: .f32,
      into: input.values.baseAddress!, type: type)
    let output = FloatBuffer(mostRows * hidden)

    return try cases.map { rows, bound in
      let times = try InterleavedTimer(repetitions: repetitions).run(
        [
          {
            for weights in experts {
              ffn.apply(
                rows: rows, x: input.values.baseAddress!, weights: weights,
                y: output.values.baseAddress!)
            }
          },
          {
            for weights in experts {
              ffn.productsOnly(
                rows: rows, x: input.values.baseAddress!, weights: weights,
                y: output.values.baseAddress!)
            }
          },
        ], on: comm)
      let flops = Double(rows * expertCount * ffn.flopsPerRow)
      let share = 1 / PairedRatio(times[0], base: times[1]).ratio.median
      func rate(_ index: Int) -> String {
        Quantity.significant(flops / Estimate(times[index]).median / 1e9) + " GFLOP/s"
      }
      return BenchResult(
        name: "expert phase, \(type), \(rows) rows per expert", measured: rate(0), limit: rate(1),
        share: Quantity.percent(share), bound: "at least \(Quantity.percent(bound))",
        holds: share >= bound)
    }
  }
}

/// Floats that live as long as this object, on pages that were touched.
final class FloatBuffer {
  let values: UnsafeMutableBufferPointer<Float>

  init(_ count: Int) {
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: max(1, count) * 4, alignment: 64)
    values = UnsafeMutableBufferPointer(
      start: bytes.bindMemory(to: Float.self, capacity: count), count: count)
    values.initialize(repeating: 0)
  }

  deinit { values.deallocate() }
}
