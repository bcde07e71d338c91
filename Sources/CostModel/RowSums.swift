// SPDX-License-Identifier: Apache-2.0
// epsim: sums over rows of numbers, eight at a time.

extension UnsafePointer<Double> {
  /// The sum of the values, which are added to `columns` as well.
  ///
  /// Eight sums side by side: one alone would wait for every addition.
  /// - Precondition: `columns` has so many values.
  func addUp(count: Int, into columns: inout [Double]) -> Double {
    let whole = count & ~7
    let values = UnsafeRawPointer(self)
    var sums = SIMD8<Double>.zero
    columns.withUnsafeMutableBytes { columns in
      precondition(columns.count == 8 * count, "\(columns.count / 8) columns for \(count)")
      for first in stride(from: 0, to: 8 * whole, by: 64) {
        let value = values.loadUnaligned(fromByteOffset: first, as: SIMD8<Double>.self)
        let column = columns.loadUnaligned(fromByteOffset: first, as: SIMD8<Double>.self)
        columns.storeBytes(of: column + value, toByteOffset: first, as: SIMD8<Double>.self)
        sums += value
      }
    }
    var sum = sums.sum()
    for index in whole..<count {
      columns[index] += self[index]
      sum += self[index]
    }
    return sum
  }

  /// How many values are above 0; each counts in `columns` as well.
  /// - Precondition: `columns` has so many values.
  func countUp(count: Int, into columns: inout [Double]) -> Double {
    let whole = count & ~7
    let values = UnsafeRawPointer(self)
    var counts = SIMD8<Double>.zero
    columns.withUnsafeMutableBytes { columns in
      precondition(columns.count == 8 * count, "\(columns.count / 8) columns for \(count)")
      for first in stride(from: 0, to: 8 * whole, by: 64) {
        let value = values.loadUnaligned(fromByteOffset: first, as: SIMD8<Double>.self)
        let one = SIMD8<Double>.zero.replacing(with: 1, where: value .> 0)
        let column = columns.loadUnaligned(fromByteOffset: first, as: SIMD8<Double>.self)
        columns.storeBytes(of: column + one, toByteOffset: first, as: SIMD8<Double>.self)
        counts += one
      }
    }
    var sum = counts.sum()
    for index in whole..<count where self[index] > 0 {
      columns[index] += 1
      sum += 1
    }
    return sum
  }

  /// The sum of the values, and the sum of the smaller of each value and its limit.
  func sums(count: Int, limits: UnsafePointer<Double>) -> (values: Double, limited: Double) {
    let whole = count & ~7
    let (rawValues, rawLimits) = (UnsafeRawPointer(self), UnsafeRawPointer(limits))
    var (sums, limited) = (SIMD8<Double>.zero, SIMD8<Double>.zero)
    for first in stride(from: 0, to: 8 * whole, by: 64) {
      let value = rawValues.loadUnaligned(fromByteOffset: first, as: SIMD8<Double>.self)
      let limit = rawLimits.loadUnaligned(fromByteOffset: first, as: SIMD8<Double>.self)
      sums += value
      limited += value.replacing(with: limit, where: value .> limit)
    }
    var result = (values: sums.sum(), limited: limited.sum())
    for index in whole..<count {
      result.values += self[index]
      result.limited += min(self[index], limits[index])
    }
    return result
  }
}
