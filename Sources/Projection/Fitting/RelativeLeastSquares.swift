// SPDX-License-Identifier: Apache-2.0
// epsim: sums of a few costs fitted to times, each cost no smaller than a bound.

/// Least squares of relative errors, with coefficients that may not fall below a bound.
///
/// Minimises the sum over rows of ((row . c - value) / scale)^2 subject to c_j >= least_j. A bound
/// of 0 says that nothing costs less than no time; a bound of 1 / (line rate) on the cost of a byte
/// says that no byte is quicker than the line.
public enum RelativeLeastSquares {
  /// The largest number of coefficients: all sets of those at their bound are tried.
  public static let maximumTerms = 6

  /// The best coefficients, one per term.
  ///
  /// - Parameters:
  ///   - rows: [n, terms] what each row has of each term, not negative.
  ///   - values: [n] what the sums should be.
  ///   - scales: [n] what errors are relative to, positive; nil for the values themselves.
  ///   - least: [terms] bounds from below; nil for 0.
  /// - Precondition: at least one row; as many values and scales as rows; at most
  ///   ``maximumTerms`` terms, the same number in every row.
  public static func coefficients(
    rows: [[Double]], values: [Double], scales: [Double]? = nil, least: [Double]? = nil
  ) -> [Double] {
    let termCount = rows.first?.count ?? 0
    let scales = scales ?? values
    precondition(
      (1...maximumTerms).contains(termCount) && rows.allSatisfy { $0.count == termCount }
        && rows.count == values.count && rows.count == scales.count,
      "\(rows.count) rows of \(termCount) terms, \(values.count) values, \(scales.count) scales")
    var system = NormalEquations(termCount: termCount)
    for row in rows.indices {
      system.add(terms: rows[row], value: values[row], scale: scales[row])
    }
    return system.solution(least: least ?? Array(repeating: 0, count: termCount)).coefficients
  }
}

/// Sums over rows, from which least squares follow without the rows.
struct NormalEquations {
  let termCount: Int
  /// [terms, terms] sums of products of terms, relative to the scales.
  private(set) var products: [Double]
  /// [terms] sums of a term times the value.
  private(set) var projections: [Double]
  /// Sum of the squared values.
  private(set) var square = 0.0
  private(set) var rowCount = 0

  init(termCount: Int) {
    self.termCount = termCount
    products = Array(repeating: 0, count: termCount * termCount)
    projections = Array(repeating: 0, count: termCount)
  }

  mutating func add(terms: [Double], value: Double, scale: Double) {
    for j in 0..<termCount {
      for k in 0..<termCount {
        products[j * termCount + k] += terms[j] / scale * (terms[k] / scale)
      }
      projections[j] += terms[j] / scale * (value / scale)
    }
    square += value / scale * (value / scale)
    rowCount += 1
  }

  /// The sums of the rows that the first has and the second, a part of it, has not.
  static func - (left: NormalEquations, right: NormalEquations) -> NormalEquations {
    var result = left
    for index in result.products.indices { result.products[index] -= right.products[index] }
    for index in result.projections.indices {
      result.projections[index] -= right.projections[index]
    }
    result.square -= right.square
    result.rowCount -= right.rowCount
    return result
  }

  /// The coefficients with the least sum of squared errors, and that sum.
  ///
  /// The optimum is the free optimum of those coefficients that are above their bound, so the best
  /// of all free optima that keep the bounds is it. Source: Lawson and Hanson, "Solving Least
  /// Squares Problems", 1974, chapter 23 (by active sets; here all of them, for there are few).
  func solution(least: [Double]) -> (coefficients: [Double], squaredError: Double) {
    // With c = least + d the bounds of d are 0.
    let target = (0..<termCount).map { j in
      projections[j]
        - (0..<termCount).reduce(0) { $0 + products[j * termCount + $1] * least[$1] }
    }
    let atBounds = max(
      0,
      square - (0..<termCount).reduce(0) { $0 + least[$1] * (projections[$1] + target[$1]) })
    var best = (excess: Array(repeating: 0.0, count: termCount), squaredError: atBounds)
    for set in 1..<(1 << termCount) {
      let free = (0..<termCount).filter { set >> $0 & 1 == 1 }
      guard let part = optimum(of: free, target: target), part.allSatisfy({ $0 >= 0 }) else {
        continue
      }
      let gained = zip(free, part).reduce(0) { $0 + $1.1 * target[$1.0] }
      // By more than rounding, so that equally good costs fall to the first term.
      if atBounds - gained < best.squaredError - 1e-12 * square {
        best.excess = Array(repeating: 0, count: termCount)
        for (term, value) in zip(free, part) { best.excess[term] = value }
        best.squaredError = atBounds - gained
      }
    }
    return (zip(least, best.excess).map { $0 + $1 }, max(0, best.squaredError))
  }

  /// The free optimum of some terms; nil where they do not determine it.
  private func optimum(of free: [Int], target: [Double]) -> [Double]? {
    // Scaled to a unit diagonal: bytes and messages differ by many orders of magnitude.
    let sizes = free.map { products[$0 * termCount + $0].squareRoot() }
    guard sizes.allSatisfy({ $0 > 0 && $0.isFinite }) else { return nil }
    let count = free.count
    // Cholesky: lower[j][k] of the scaled matrix.
    var lower = Array(repeating: 0.0, count: count * count)
    var solved = Array(repeating: 0.0, count: count)
    for j in 0..<count {
      for k in 0...j {
        var sum = products[free[j] * termCount + free[k]] / sizes[j] / sizes[k]
        for i in 0..<k { sum -= lower[j * count + i] * lower[k * count + i] }
        if j == k {
          guard sum > 1e-13 else { return nil }
          lower[j * count + j] = sum.squareRoot()
        } else {
          lower[j * count + k] = sum / lower[k * count + k]
        }
      }
      var sum = target[free[j]] / sizes[j]
      for i in 0..<j { sum -= lower[j * count + i] * solved[i] }
      solved[j] = sum / lower[j * count + j]
    }
    for j in stride(from: count - 1, through: 0, by: -1) {
      for i in j + 1..<count { solved[j] -= lower[i * count + j] * solved[i] }
      solved[j] /= lower[j * count + j]
    }
    return zip(solved, sizes).map { $0 / $1 }
  }
}
