// SPDX-License-Identifier: Apache-2.0
// epsim: the rows of several exchanges together.

extension ExpectedRows {
  /// The rows of several exchanges; a figure that one of them leaves open is open.
  public init(sum parts: [ExpectedRows]) {
    func sum(_ way: KeyPath<ExpectedRows, Way>) -> Way {
      let ways = parts.map { $0[keyPath: way] }
      let offRank = ways.reduce(Optional(0)) { sum, way in
        guard let sum, let rows = way.offRank else { return nil }
        return sum + rows
      }
      return Way(offRank: offRank, offNode: ways.reduce(0) { $0 + $1.offNode })
    }
    self.init(dispatch: sum(\.dispatch), combine: sum(\.combine))
  }
}
