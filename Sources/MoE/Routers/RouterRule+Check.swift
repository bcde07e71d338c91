// SPDX-License-Identifier: Apache-2.0
// epsim: whether a routing rule fits the experts that it chooses from.

extension RouterRule {
  /// Refuses a rule that cannot choose K of E experts.
  ///
  /// - Throws: ``InputError`` that names the number which does not fit.
  public func check(expertCount: Int, topK: Int) throws {
    guard expertCount >= 1 && expertCount <= Int(Int32.max) else {
      throw InputError("\(expertCount) experts cannot be routed to, accepted are 1 to \(Int32.max)")
    }
    guard topK >= 1 && topK <= expertCount else {
      throw InputError("top-k is \(topK), accepted are 1 to \(expertCount), the number of experts")
    }
    guard scaling.isFinite && abs(scaling) <= Double(Float.greatestFiniteMagnitude) else {
      throw InputError("the router's scaling factor is \(scaling), accepted are finite numbers")
    }
    guard let groups else { return }
    guard groups.groupCount >= 1, expertCount % groups.groupCount == 0 else {
      throw InputError(
        "\(expertCount) experts do not divide into \(groups.groupCount) router groups of one size")
    }
    let size = expertCount / groups.groupCount
    guard groups.openCount >= 1 && groups.openCount <= groups.groupCount else {
      throw InputError(
        "\(groups.openCount) open router groups, accepted are 1 to \(groups.groupCount)")
    }
    guard groups.summedScores >= 1 && groups.summedScores <= size else {
      throw InputError(
        "a router group counts as the sum of \(groups.summedScores) scores, accepted are 1 to "
          + "\(size), its number of experts")
    }
    guard groups.mask == .zero || topK <= groups.openCount * size else {
      throw InputError(
        "top-k is \(topK), but \(groups.openCount) open router groups have "
          + "\(groups.openCount * size) experts")
    }
  }
}
