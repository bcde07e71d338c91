// SPDX-License-Identifier: Apache-2.0
// epsim: a matrix product with packed weights, for any number of rows.

/// The products y [n, N] = x [n, K] W [K, N] for every row count n, over one packed copy of W.
///
/// x and W are of the product's type, y is always `Float`. Rows are computed in blocks of at most
/// ``maxRows``; the bits of a row of y depend on that row of x and on W only (see ``RowBlock``).
/// Not thread-safe: one product, one thread.
public final class LinearProduct {
  /// Rows of the largest block that is computed at once.
  public static let maxRows = 256

  /// K, the values in a row of x.
  public let inputSize: Int
  /// N, the values in a row of y.
  public let outputSize: Int
  /// The type of x and W.
  public let type: ElementType
  let backend: any ProductBackend
  /// Blocks have a multiple of this many rows.
  private let rowMultiple: Int
  private let padding: PaddedBlock?

  /// A product of this shape; nothing is generated before ``prepare(rowCounts:)``.
  /// - Throws: `KernelError` when the backend has no such product, such as bf16 without support.
  public convenience init(
    context: KernelContext, inputSize: Int, outputSize: Int, type: ElementType
  ) throws(KernelError) {
    try self.init(
      engine: context.engine, rowBlock: context.environment.rowBlock, inputSize: inputSize,
      outputSize: outputSize, type: type)
  }

  init(
    engine: KernelEngine, rowBlock: RowBlock, inputSize: Int, outputSize: Int, type: ElementType
  ) throws(KernelError) {
    precondition(
      inputSize > 0 && outputSize > 0, "product of \(inputSize) to \(outputSize) values")
    self.inputSize = inputSize
    self.outputSize = outputSize
    self.type = type
    switch rowBlock {
    case .exact:
      rowMultiple = 1
      padding = nil
    case .fixed(let rows):
      rowMultiple = rows
      padding = PaddedBlock(inputBytes: inputSize * type.byteCount, outputSize: outputSize)
    }
    backend = try engine.makeProduct(
      inputSize: inputSize, outputSize: outputSize, type: type, maxRows: Self.maxRows)
  }

  /// Bytes of one packed weight matrix.
  public var packedByteCount: Int { backend.packedByteCount }

  /// Converts and reorders weights; the source is free for other use afterwards.
  ///
  /// Shapes: `weights` [K, N] row-major.
  /// - Precondition: `packed` was made for this product.
  public func pack(
    _ weights: UnsafePointer<Float>, into packed: PackedWeights
  ) throws(KernelError) {
    precondition(packed.product === self, "packed weights of another product")
    try backend.pack(weights, into: packed)
  }

  /// Generates the code for these row counts, so that no step has to (about 0.2 ms each).
  public func prepare(rowCounts: ClosedRange<Int> = 1...maxRows) throws(KernelError) {
    for rows in blocks(for: rowCounts) { try backend.prepare(rows: rows) }
  }

  /// Whether the one packed layout is what the backend would choose for each of these row counts.
  ///
  /// Results are right in any case; where it is false, some row counts may be slower than they
  /// could be with a packed copy of their own.
  public func prefersPackedLayout(
    rowCounts: ClosedRange<Int> = 1...maxRows
  ) throws(KernelError) -> Bool {
    for rows in blocks(for: rowCounts) where try !backend.prefersPackedLayout(rows: rows) {
      return false
    }
    return true
  }

  /// Computes y = x W; allocates nothing and generates nothing for prepared row counts.
  ///
  /// Shapes: `x` [rows, K] of ``type``, `y` [rows, N]; any row count, zero included.
  /// - Precondition: `weights` was made for this product.
  public func multiply(
    rows: Int, x: UnsafeRawPointer, weights: PackedWeights, y: UnsafeMutablePointer<Float>
  ) {
    precondition(weights.product === self, "packed weights of another product")
    precondition(rows >= 0, "\(rows) rows")
    let rowBytes = inputSize * type.byteCount
    let blockRows = Self.maxRows / rowMultiple * rowMultiple
    var start = 0
    while start < rows {
      let count = min(blockRows, rows - start)
      let (from, to) = (x + start * rowBytes, y + start * outputSize)
      if let padding, count % rowMultiple != 0 {
        let padded = padToMultiple(count)
        padding.fill(rows: count, paddedTo: padded, from: from)
        run(rows: padded, x: padding.x, weights: weights, y: padding.y)
        to.update(from: padding.y, count: count * outputSize)
      } else {
        run(rows: count, x: from, weights: weights, y: to)
      }
      start += count
    }
  }

  private func padToMultiple(_ rows: Int) -> Int {
    (rows + rowMultiple - 1) / rowMultiple * rowMultiple
  }

  /// The row counts that products of these row counts are computed in.
  private func blocks(for rowCounts: ClosedRange<Int>) -> StrideThrough<Int> {
    precondition(
      rowCounts.lowerBound >= 1 && rowCounts.upperBound <= Self.maxRows,
      "row counts \(rowCounts), accepted 1...\(Self.maxRows)")
    let largest = Self.maxRows / rowMultiple * rowMultiple
    return stride(
      from: padToMultiple(rowCounts.lowerBound),
      through: min(padToMultiple(rowCounts.upperBound), largest), by: rowMultiple)
  }

  /// Shapes were checked when the code was generated: what fails now is beyond recovery.
  private func run(
    rows: Int, x: UnsafeRawPointer, weights: PackedWeights, y: UnsafeMutablePointer<Float>
  ) {
    do {
      try backend.multiply(rows: rows, x: x, weights: weights, y: y)
    } catch {
      fatalError(error.description)
    }
  }
}

/// Room for one block of rows of which only the first are real.
private final class PaddedBlock {
  private let inputBytes: Int
  private let input: AlignedBuffer
  private let output: AlignedBuffer

  init(inputBytes: Int, outputSize: Int) {
    self.inputBytes = inputBytes
    input = AlignedBuffer(byteCount: LinearProduct.maxRows * inputBytes)
    output = AlignedBuffer(
      byteCount: LinearProduct.maxRows * outputSize * ElementType.f32.byteCount)
  }

  var x: UnsafeRawPointer { UnsafeRawPointer(input.bytes) }
  var y: UnsafeMutablePointer<Float> { output.bytes.assumingMemoryBound(to: Float.self) }

  /// The padding is zeroed: stale rows could hold values that are slow to compute with.
  func fill(rows: Int, paddedTo padded: Int, from source: UnsafeRawPointer) {
    input.bytes.copyMemory(from: source, byteCount: rows * inputBytes)
    (input.bytes + rows * inputBytes).initializeMemory(
      as: UInt8.self, repeating: 0, count: (padded - rows) * inputBytes)
  }
}
