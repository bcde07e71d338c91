// SPDX-License-Identifier: Apache-2.0
// epsim: the self-test that decides how row counts are treated.

extension RowBlock {
  /// The fastest treatment under which a row's bits do not depend on its companions.
  ///
  /// oneDNN promises nothing here: on some instruction sets it sums in another order for another
  /// row count, or even for another place in the same block: its AVX2 kernels work on tiles of 6
  /// rows and sum lower ones differently, so that 24 holds there. One row alone needs no test.
  init(selfTestOf engine: KernelEngine, types: [ElementType]) throws(KernelError) {
    for candidate in [RowBlock.exact, .fixed(32), .fixed(24)] {
      if try candidate.keepsBits(engine: engine, types: types) {
        self = candidate
        return
      }
    }
    throw KernelError(
      function: "self-test",
      status: "a row gets other bits in other company; the portable kernels have no such trouble")
  }

  /// Inner and outer sizes: small, odd, and deep enough to be split.
  private static var testedShapes: [(inputSize: Int, outputSize: Int)] {
    [(32, 64), (64, 64), (101, 75), (1408, 96), (2048, 64)]
  }

  /// Around powers of two and around the tile heights of known kernels.
  private static var testedRowCounts: [Int] {
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 16, 17, 24, 28, 31, 32, 33, 48, 63, 64, 65, 96, 100]
      + [127, 128, 129, 192, 200, 255, 256]
  }

  private func keepsBits(engine: KernelEngine, types: [ElementType]) throws(KernelError) -> Bool {
    for type in types {
      for (inputSize, outputSize) in Self.testedShapes {
        let product = try LinearProduct(
          engine: engine, rowBlock: self, inputSize: inputSize, outputSize: outputSize, type: type)
        if try !product.keepsBits(rowCounts: Self.testedRowCounts) { return false }
      }
    }
    return true
  }
}

extension LinearProduct {
  /// Whether the first and the last rows of a full block keep their bits when computed alone.
  fileprivate func keepsBits(rowCounts: [Int]) throws(KernelError) -> Bool {
    let rowBytes = inputSize * type.byteCount
    let source = AlignedBuffer(byteCount: inputSize * outputSize * 4)
    let x = AlignedBuffer(byteCount: Self.maxRows * rowBytes)
    let expected = AlignedBuffer(byteCount: Self.maxRows * outputSize * 4)
    let result = AlignedBuffer(byteCount: Self.maxRows * outputSize * 4)
    let weightValues = source.bytes.assumingMemoryBound(to: Float.self)
    fillWithTestValues(weightValues, count: inputSize * outputSize)
    fillRows(x.bytes)
    let weights = try PackedWeights(for: self)
    try pack(weightValues, into: weights)

    let whole = expected.bytes.assumingMemoryBound(to: Float.self)
    let part = result.bytes.assumingMemoryBound(to: Float.self)
    multiply(rows: Self.maxRows, x: x.bytes, weights: weights, y: whole)
    for rows in rowCounts {
      for start in [0, Self.maxRows - rows] {
        multiply(rows: rows, x: x.bytes + start * rowBytes, weights: weights, y: part)
        let count = rows * outputSize
        for i in 0..<count
        where part[i].bitPattern != whole[start * outputSize + i].bitPattern { return false }
      }
    }
    return true
  }

  private func fillRows(_ rows: UnsafeMutableRawPointer) {
    let count = Self.maxRows * inputSize
    let values = AlignedBuffer(byteCount: count * 4)
    let floats = values.bytes.assumingMemoryBound(to: Float.self)
    fillWithTestValues(floats, count: count)
    RowKernels.convert(count: count, from: floats, type: .f32, into: rows, type: type)
  }
}

/// Values in -1 ..< 1 with full fractions, so that any other order of summation shows.
private func fillWithTestValues(_ values: UnsafeMutablePointer<Float>, count: Int) {
  var state: UInt32 = 0x9e37_79b9
  for i in 0..<count {
    state ^= state << 13
    state ^= state >> 17
    state ^= state << 5
    values[i] = Float(Int32(bitPattern: state) >> 8) * 0x1p-23
  }
}
