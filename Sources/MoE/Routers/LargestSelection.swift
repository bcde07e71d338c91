// SPDX-License-Identifier: Apache-2.0
// epsim: the K largest of many numbers, without sorting them.

/// Keeps the K largest of the values that it is offered, in descending order.
///
/// Of equal values the one offered first ranks first: offered in ascending order of indices, ties
/// go to the lower index. A value that is not among the K largest so far costs one comparison.
struct LargestSelection {
  /// [K] indices of the values kept.
  private let indices: UnsafeMutablePointer<Int32>
  /// [K] values kept.
  private let values: UnsafeMutablePointer<Float>
  private let capacity: Int
  private var count = 0
  /// What a further value must exceed.
  private var threshold = -Float.infinity

  /// - Precondition: both hold the same number of entries, at least one.
  @inline(__always)
  init(
    into indices: UnsafeMutableBufferPointer<Int32>, _ values: UnsafeMutableBufferPointer<Float>
  ) {
    self.indices = indices.baseAddress!
    self.values = values.baseAddress!
    capacity = indices.count
  }

  /// Offers a value that is not NaN.
  @inline(__always)
  mutating func offer(_ value: Float, _ index: Int) {
    if value > threshold || count < capacity { insert(value, index) }
  }

  private mutating func insert(_ value: Float, _ index: Int) {
    if count < capacity { count += 1 }
    var slot = count - 1
    while slot > 0 && value > values[slot - 1] {
      values[slot] = values[slot - 1]
      indices[slot] = indices[slot - 1]
      slot -= 1
    }
    values[slot] = value
    indices[slot] = Int32(truncatingIfNeeded: index)
    if count == capacity { threshold = values[capacity - 1] }
  }
}
