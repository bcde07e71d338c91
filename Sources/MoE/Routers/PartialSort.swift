// SPDX-License-Identifier: Apache-2.0
// epsim: which value is the n-th largest, and which are the n smallest.

/// Hoare's selection, in time proportional to the number of values.
enum PartialSort {
  /// The n-th largest value, and how many of the n largest are equal to it.
  ///
  /// Reorders `values`. Source: Hoare, "Algorithm 65: Find", CACM 4 (1961).
  /// - Precondition: 1 <= n <= count; no NaN.
  static func largest(
    _ n: Int, of values: UnsafeMutableBufferPointer<Float>
  ) -> (value: Float, equalCount: Int) {
    var (low, high) = (0, values.count)
    while true {
      let pivot = median(values[low], values[(low + high) / 2], values[high - 1])
      // [low, larger) > pivot, [larger, next) == pivot, [smaller, high) < pivot
      var (larger, next, smaller) = (low, low, high)
      while next < smaller {
        if values[next] > pivot {
          values.swapAt(next, larger)
          larger += 1
          next += 1
        } else if values[next] < pivot {
          smaller -= 1
          values.swapAt(next, smaller)
        } else {
          next += 1
        }
      }
      if n <= larger {
        high = larger
      } else if n <= smaller {
        return (pivot, n - larger)
      } else {
        low = smaller
      }
    }
  }

  /// Partitions so that the n smallest values come first, in any order.
  ///
  /// - Precondition: n <= count; all values differ.
  static func moveSmallest(_ n: Int, toFrontOf values: UnsafeMutableBufferPointer<UInt64>) {
    var (low, high) = (0, values.count - 1)
    while low < high {
      let pivot = values[(low + high) / 2]
      var (left, right) = (low, high)
      while left <= right {
        while values[left] < pivot { left += 1 }
        while values[right] > pivot { right -= 1 }
        if left <= right {
          values.swapAt(left, right)
          left += 1
          right -= 1
        }
      }
      if n <= right { high = right } else if n >= left { low = left } else { return }
    }
  }

  private static func median(_ a: Float, _ b: Float, _ c: Float) -> Float {
    max(min(a, b), min(max(a, b), c))
  }
}
