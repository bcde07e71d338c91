// SPDX-License-Identifier: Apache-2.0
// epsim: tests of matrix products with packed weights.

import Foundation
import Kernels
import Testing

@Suite struct LinearProductTests {
  private static let shapes = [(64, 32), (37, 21), (1, 1), (300, 17), (8, 130)]

  @Test(arguments: KernelCase.all) func productsOfAnyRowCountMatchDouble(
    kernel: KernelCase
  ) throws {
    let context = try KernelContext(backend: kernel.backend)
    var random = SeededGenerator(seed: 1)
    for (inputSize, outputSize) in Self.shapes {
      let product = try LinearProduct(
        context: context, inputSize: inputSize, outputSize: outputSize, type: kernel.type)
      let w = random.floats(inputSize * outputSize)
      let weights = try product.packed(w)
      let x = random.floats(600 * inputSize)
      let expected = Reference.product(
        x.map { Double(Reference.stored($0, as: kernel.type)) },
        w.map { Double(Reference.stored($0, as: kernel.type)) },
        rows: 600, inputSize: inputSize, outputSize: outputSize)
      for rows in [0, 1, 7, 255, 256, 257, 600] {
        let y = product.product(rows: rows, of: bytes(x, as: kernel.type), weights)
        #expect(y.count == rows * outputSize)
        // Each of K additions and the products round at most once: error <= K 2^-24 sum |x w|.
        var worst = 0.0
        for i in y.indices {
          let bound = expected.magnitude[i] * Double(inputSize + 1) * 0x1p-24
          worst = max(worst, abs(Double(y[i]) - expected.y[i]) / bound)
        }
        #expect(worst <= 1, "\(rows) rows of \(inputSize) to \(outputSize)")
      }
    }
  }

  @Test(arguments: KernelCase.all) func theBitsOfARowDoNotDependOnTheRowCount(
    kernel: KernelCase
  ) throws {
    try expectBitsIndependentOfRowCount(KernelContext(backend: kernel.backend), kernel.type)
  }

  @Test(arguments: KernelCase.all) func preparationDoesNotChangeResults(kernel: KernelCase) throws {
    let context = try KernelContext(backend: kernel.backend)
    var random = SeededGenerator(seed: 3)
    let (w, x) = (random.floats(40 * 24), random.floats(30 * 40))
    let results = try [false, true].map { isPrepared in
      let product = try LinearProduct(
        context: context, inputSize: 40, outputSize: 24, type: kernel.type)
      if isPrepared { try product.prepare() }
      return product.product(rows: 30, of: bytes(x, as: kernel.type), try product.packed(w))
    }
    #expect(bits(results[0]) == bits(results[1]))
  }

  @Test(arguments: KernelCase.all) func weightsCanBePackedAgain(kernel: KernelCase) throws {
    let product = try LinearProduct(
      context: KernelContext(backend: kernel.backend), inputSize: 5, outputSize: 3,
      type: kernel.type)
    let x = bytes([1, 0, 0, 0, 0], as: kernel.type)
    let weights = try product.packed((0..<15).map { Float($0) })
    #expect(product.product(rows: 1, of: x, weights) == [0, 1, 2])
    try product.pack((0..<15).map { Float(20 - $0) }, into: weights)
    #expect(product.product(rows: 1, of: x, weights) == [20, 19, 18])
  }

  @Test(arguments: KernelCase.all) func onePackedCopyServesAllRowCountsAtFullSpeed(
    kernel: KernelCase
  ) throws {
    let context = try KernelContext(backend: kernel.backend)
    for (inputSize, outputSize) in [(2048, 2816), (1408, 2048), (64, 64)] {
      let product = try LinearProduct(
        context: context, inputSize: inputSize, outputSize: outputSize, type: kernel.type)
      #expect(try product.prefersPackedLayout(), "\(inputSize) to \(outputSize)")
      #expect(product.packedByteCount >= inputSize * outputSize * kernel.type.byteCount)
    }
  }

  @Test(arguments: KernelCase.all) func notANumberStaysInItsRow(kernel: KernelCase) throws {
    let product = try LinearProduct(
      context: KernelContext(backend: kernel.backend), inputSize: 4, outputSize: 6,
      type: kernel.type)
    let weights = try product.packed([Float](repeating: 0.5, count: 24))
    var x = [Float](repeating: 1, count: 12)
    x[5] = .nan
    let y = product.product(rows: 3, of: bytes(x, as: kernel.type), weights)
    #expect(y[0..<6].allSatisfy { $0 == 2 })
    #expect(y[6..<12].allSatisfy { $0.isNaN })
    #expect(y[12..<18].allSatisfy { $0 == 2 })
  }
}

/// Checks that each row of 600 keeps its bits in products of other row counts from anywhere.
func expectBitsIndependentOfRowCount(
  _ context: KernelContext, _ type: ElementType, rowCounts: some Sequence<Int> = 1...300,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  var random = SeededGenerator(seed: 2)
  for (inputSize, outputSize) in [(96, 40), (53, 19)] {
    let product = try LinearProduct(
      context: context, inputSize: inputSize, outputSize: outputSize, type: type)
    let weights = try product.packed(random.floats(inputSize * outputSize))
    let x = bytes(random.floats(600 * inputSize), as: type)
    let whole = bits(product.product(rows: 600, of: x, weights))
    let differing = rowCounts.filter { rows in
      let start = (rows * 7) % (601 - rows)
      let part = bits(product.product(rows: rows, from: start, of: x, weights))
      return part != Array(whole[start * outputSize..<(start + rows) * outputSize])
    }
    #expect(
      differing == [], "\(inputSize) to \(outputSize) in \(type)", sourceLocation: sourceLocation)
  }
}

/// In a process of its own: limits oneDNN to an instruction set, then checks products.
func withInstructionSet(_ name: String) throws {
  setenv("ONEDNN_MAX_CPU_ISA", name, 1)
  let context = try KernelContext(backend: .oneDNN)
  #expect(!context.environment.supportsBF16)
  try expectBitsIndependentOfRowCount(context, .f32)
}
