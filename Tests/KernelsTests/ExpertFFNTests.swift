// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the gated expert.

import Kernels
import Testing

@Suite struct ExpertFFNTests {
  /// An expert with seeded weights of variance 1 / fan-in.
  private struct Expert {
    let ffn: ExpertFFN
    let weights: ExpertFFN.Weights
    let gateUp: [Float]
    let down: [Float]

    init(
      _ kernel: KernelCase, hiddenSize: Int, ffnSize: Int, seed: UInt64,
      activation: ExpertFFN.Activation = .swiGLU
    ) throws {
      var random = SeededGenerator(seed: seed)
      let context = try KernelContext(backend: kernel.backend)
      ffn = try ExpertFFN(
        context: context, hiddenSize: hiddenSize, ffnSize: ffnSize, type: kernel.type,
        activation: activation)
      let matrices = activation == .swiGLU || activation == .geGLU ? 2 : 1
      let hiddenLimit = (3 / Float(hiddenSize)).squareRoot()
      let ffnLimit = (3 / Float(ffnSize)).squareRoot()
      gateUp = random.floats(hiddenSize * matrices * ffnSize, in: -hiddenLimit...hiddenLimit)
      down = random.floats(ffnSize * hiddenSize, in: -ffnLimit...ffnLimit)
      weights = try ffn.pack(gateUp: gateUp, down: down)
    }

    func apply(rows: Int, from start: Int = 0, of x: [UInt8]) -> [Float] {
      var y = [Float](repeating: 7, count: rows * ffn.hiddenSize + 1)
      x.withUnsafeBytes { x in
        y.withUnsafeMutableBufferPointer { y in
          ffn.apply(
            rows: rows, x: x.baseAddress! + start * ffn.hiddenSize * ffn.type.byteCount,
            weights: weights, y: y.baseAddress!)
        }
      }
      precondition(y.last == 7, "y overrun")
      return y.dropLast()
    }
  }

  @Test(arguments: KernelCase.all) func expertsMatchDouble(kernel: KernelCase) throws {
    var random = SeededGenerator(seed: 4)
    for (hiddenSize, ffnSize) in [(64, 32), (37, 21), (100, 52)] {
      let expert = try Expert(kernel, hiddenSize: hiddenSize, ffnSize: ffnSize, seed: 5)
      let x = random.floats(600 * hiddenSize, in: -2...2)
      let expected = Reference.expert(
        x.map(Double.init), gateUp: expert.gateUp.map(Double.init),
        down: expert.down.map(Double.init), rows: 600, hiddenSize: hiddenSize, ffnSize: ffnSize)
      for rows in [0, 1, 7, 255, 256, 257, 600] {
        let y = expert.apply(rows: rows, of: bytes(x, as: kernel.type))
        var error = 0.0
        for i in 0..<rows {
          let row = i * hiddenSize..<(i + 1) * hiddenSize
          let scale = row.map { abs(expected[$0]) }.max()!
          error = max(error, row.map { abs(Double(y[$0]) - expected[$0]) }.max()! / scale)
        }
        #expect(error < (kernel.type == .f32 ? 1e-5 : 2e-2), "\(rows) rows of \(hiddenSize)")
      }
    }
  }

  @Test(arguments: KernelCase.all, ExpertFFN.Activation.allCases)
  func everyActivationMatchesDouble(kernel: KernelCase, activation: ExpertFFN.Activation) throws {
    var random = SeededGenerator(seed: 11)
    let (hiddenSize, ffnSize, rows) = (44, 70, 261)
    let expert = try Expert(
      kernel, hiddenSize: hiddenSize, ffnSize: ffnSize, seed: 12, activation: activation)
    let x = random.floats(rows * hiddenSize, in: -2...2)
    let expected = Reference.expert(
      x.map(Double.init), gateUp: expert.gateUp.map(Double.init),
      down: expert.down.map(Double.init), rows: rows, hiddenSize: hiddenSize, ffnSize: ffnSize,
      activation: activation)
    let y = expert.apply(rows: rows, of: bytes(x, as: kernel.type))
    var error = 0.0
    for i in 0..<rows {
      let row = i * hiddenSize..<(i + 1) * hiddenSize
      let scale = row.map { abs(expected[$0]) }.max()!
      error = max(error, row.map { abs(Double(y[$0]) - expected[$0]) }.max()! / scale)
    }
    #expect(error < (kernel.type == .f32 ? 1e-5 : 2e-2), "\(activation)")
    let matrices = activation == .swiGLU || activation == .geGLU ? 3 : 2
    #expect(expert.ffn.flopsPerRow == 2 * matrices * hiddenSize * ffnSize)
    #expect(expert.ffn.packedByteCount >= matrices * hiddenSize * ffnSize * kernel.type.byteCount)
  }

  @Test(arguments: KernelCase.all) func theBitsOfATokenDoNotDependOnItsCompanions(
    kernel: KernelCase
  ) throws {
    var random = SeededGenerator(seed: 6)
    let expert = try Expert(kernel, hiddenSize: 60, ffnSize: 28, seed: 7)
    try expert.ffn.prepare()
    let x = bytes(random.floats(300 * 60), as: kernel.type)
    let whole = bits(expert.apply(rows: 300, of: x))
    for rows in stride(from: 1, through: 300, by: 13) {
      let start = 300 - rows
      #expect(
        bits(expert.apply(rows: rows, from: start, of: x)) == Array(whole[(start * 60)...]),
        "\(rows) rows")
    }
  }

  @Test(arguments: KernelCase.all) func theBareProductsLeaveTheExpertUnharmed(
    kernel: KernelCase
  ) throws {
    var random = SeededGenerator(seed: 8)
    let expert = try Expert(kernel, hiddenSize: 16, ffnSize: 8, seed: 9)
    let x = bytes(random.floats(9 * 16), as: kernel.type)
    let before = expert.apply(rows: 9, of: x)
    var y = [Float](repeating: 0, count: 9 * 16)
    expert.ffn.productsOnly(rows: 9, x: x, weights: expert.weights, y: &y)
    // The second product read the activations that apply had left.
    #expect(y == before)
    #expect(expert.apply(rows: 9, of: x) == before)
  }

  @Test(arguments: KernelCase.all) func sizesAreThoseOfThePackedMatrices(
    kernel: KernelCase
  ) throws {
    let expert = try Expert(kernel, hiddenSize: 64, ffnSize: 32, seed: 10)
    #expect(expert.weights.byteCount == expert.ffn.packedByteCount)
    #expect(expert.ffn.packedByteCount >= 3 * 64 * 32 * kernel.type.byteCount)
    #expect(expert.ffn.flopsPerRow == 6 * 64 * 32)
  }
}
