// SPDX-License-Identifier: Apache-2.0
// epsim: rows of a batch that leave a full rank for the emptiest ones, and the weights they need.

/// What ranks lend each other for one batch: rows above a limit go to the least loaded ranks, which
/// are sent the weights of the expert.
///
/// Experts are taken by falling load, equal loads by rising number. An expert stays on its own rank
/// as far as the limit and what that rank's experts yet to come allow. The rest goes in pieces to
/// the rank with the least rows, given and yet to come, that has room; equal ranks by rising index.
/// Source: github.com/SalesforceAIResearch/LeastLoadedEP (arXiv:2601.17111).
public struct SpillPlan: Sendable, Equatable {
  /// When and how rows are lent.
  public struct Rule: Sendable, Equatable {
    /// The limit of a rank, by the mean of all ranks, rounded down.
    public var limit: Double
    /// Rows that are worth sending weights for; the last piece of an expert may be smaller.
    public var leastRows: Int
    /// Nothing is lent where the largest load is below this many means.
    public var threshold: Double

    /// The values of the source's README unless others are given.
    public init(limit: Double = 1, leastRows: Int = 1024, threshold: Double = 1.3) {
      precondition(limit >= 0 && limit <= 1e6, "limit \(limit)")
      self.limit = limit
      self.leastRows = leastRows
      self.threshold = threshold
    }
  }

  /// An expert whose weights another rank is sent.
  public struct Transfer: Sendable, Equatable {
    public var expert: Int
    public var from: Int
    public var to: Int
    /// Rows that the other rank computes.
    public var rows: Int

    public init(expert: Int, from: Int, to: Int, rows: Int) {
      self.expert = expert
      self.from = from
      self.to = to
      self.rows = rows
    }
  }

  /// In the order of their decision.
  public let transfers: [Transfer]
  /// [R] rows that each rank computes.
  public let rankLoads: [Int]

  /// Decides for one layer of one batch.
  ///
  /// - Parameters:
  ///   - loads: [E] rows of each expert.
  ///   - rankOfExpert: [E] where each expert stands, below `rankCount`.
  public init(loads: [Int], rankOfExpert: [Int], rankCount: Int, rule: Rule = Rule()) {
    precondition(
      loads.count == rankOfExpert.count && rankOfExpert.allSatisfy { 0..<rankCount ~= $0 },
      "\(loads.count) loads of experts on ranks \(rankOfExpert), there are \(rankCount)")
    var pending = Array(repeating: 0, count: rankCount)
    for (expert, rank) in rankOfExpert.enumerated() { pending[rank] += loads[expert] }
    let total = loads.reduce(0, +)
    let mean = Double(total) / Double(rankCount)
    guard Double(pending.max() ?? 0) >= rule.threshold * mean, total > 0 else {
      (transfers, rankLoads) = ([], pending)
      return
    }
    let limit = Int(rule.limit * Double(total / rankCount))
    var ledger = Ledger(limit: limit, pending: pending)
    let order = loads.indices.sorted { (loads[$0], $1) > (loads[$1], $0) }
    for expert in order {
      ledger.serve(
        expert, rows: loads[expert], on: rankOfExpert[expert], leastRows: rule.leastRows)
    }
    (transfers, rankLoads) = (ledger.transfers, ledger.given)
  }
}

/// Rows given to ranks and yet to come.
private struct Ledger {
  let limit: Int
  /// [R] rows of experts whose turn has not come, on their own ranks.
  var pending: [Int]
  /// [R] rows given.
  var given: [Int]
  var transfers: [SpillPlan.Transfer] = []

  init(limit: Int, pending: [Int]) {
    self.limit = limit
    self.pending = pending
    given = Array(repeating: 0, count: pending.count)
  }

  mutating func serve(_ expert: Int, rows: Int, on home: Int, leastRows: Int) {
    pending[home] -= rows
    let kept = min(rows, max(0, limit - given[home] - pending[home]))
    given[home] += kept
    var left = rows - kept
    while left > 0 {
      let ranks = given.indices.filter { $0 != home }.sorted {
        (given[$0] + pending[$0], $0) < (given[$1] + pending[$1], $1)
      }
      let needed = min(left, max(1, leastRows))
      guard let rank = ranks.first(where: { limit - given[$0] - pending[$0] >= needed }) else {
        // Nobody has room: all that is left goes to the least loaded rank, its own included.
        let least = given.indices.min {
          (given[$0] + pending[$0], $0) < (given[$1] + pending[$1], $1)
        }
        send(expert, rows: left, from: home, to: least ?? home)
        return
      }
      let piece = min(left, limit - given[rank] - pending[rank])
      send(expert, rows: piece, from: home, to: rank)
      left -= piece
    }
  }

  private mutating func send(_ expert: Int, rows: Int, from home: Int, to rank: Int) {
    given[rank] += rows
    guard rank != home else { return }
    if let index = transfers.lastIndex(where: { $0.expert == expert && $0.to == rank }) {
      transfers[index].rows += rows
    } else {
      transfers.append(SpillPlan.Transfer(expert: expert, from: home, to: rank, rows: rows))
    }
  }
}
