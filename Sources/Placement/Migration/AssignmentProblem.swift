// SPDX-License-Identifier: Apache-2.0
// epsim: who takes what, at the least cost together.

/// The assignment of n rows to n columns with the least sum of costs.
///
/// Source: Kuhn 1955, Munkres 1957 (the Hungarian method), with shortest augmenting paths: O(n^3).
/// Equal costs: rows are served in rising order, each by its lowest column; no order beyond that.
enum AssignmentProblem {
  /// [n] the column of each row.
  ///
  /// Shape: `costs` [n][n], not negative; their sum does not overflow.
  static func solve(_ costs: [[Int]]) -> [Int] {
    let count = costs.count
    precondition(costs.allSatisfy { $0.count == count }, "costs of \(count) rows are not square")
    // Row and column 0 stand for "none".
    var rowPotential = Array(repeating: 0, count: count + 1)
    var columnPotential = rowPotential
    var rowOfColumn = rowPotential
    var previous = rowPotential
    for row in stride(from: 1, through: count, by: 1) {
      rowOfColumn[0] = row
      var column = 0
      var slack = Array(repeating: Int.max, count: count + 1)
      var isUsed = Array(repeating: false, count: count + 1)
      repeat {
        isUsed[column] = true
        let taken = rowOfColumn[column]
        var (least, next) = (Int.max, 0)
        for other in 1...count where !isUsed[other] {
          let reduced =
            costs[taken - 1][other - 1] - rowPotential[taken] - columnPotential[other]
          if reduced < slack[other] { (slack[other], previous[other]) = (reduced, column) }
          if slack[other] < least { (least, next) = (slack[other], other) }
        }
        for other in 0...count {
          if isUsed[other] {
            rowPotential[rowOfColumn[other]] += least
            columnPotential[other] -= least
          } else if slack[other] != Int.max {
            slack[other] -= least
          }
        }
        column = next
      } while rowOfColumn[column] != 0
      while column != 0 {
        let before = previous[column]
        rowOfColumn[column] = rowOfColumn[before]
        column = before
      }
    }
    var columns = Array(repeating: 0, count: count)
    for column in stride(from: 1, through: count, by: 1) {
      columns[rowOfColumn[column] - 1] = column - 1
    }
    return columns
  }
}
