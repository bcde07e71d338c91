// SPDX-License-Identifier: Apache-2.0
// epsim: what a comparison of placements shows, in sentences.

internal import CostModel
internal import Placement

/// The remarks that are true of some placements on the judged tokens.
///
/// Each is a sentence with its figures, or is left out.
struct PlacementRemarks {
  private let rows: [PlacementLabRecord.Row]
  private let nodeCount: Int
  /// The placement that needs no load, against which others must pay.
  private let plain: PlacementLabRecord.Row?

  /// Differences below this are none.
  private static let least = 0.01

  init(_ rows: [PlacementLabRecord.Row], topology: Topology) {
    self.rows = rows
    nodeCount = topology.nodeCount
    plain = rows.first { !$0.isFitted }
  }

  var sentences: [String] {
    verdict + lostBalance + closeToMean + traffic + tie + fastest + replicas + uselessReplicas
      + cutShort
  }

  private var what: String { rows[0].judged.stepSeconds == nil ? "load max/mean" : "modelled time" }

  /// What times are bounded for: other exchanges than those of the list have other bounds.
  private var exchanges: String {
    guard rows[0].judged.stepSeconds != nil else { return "" }
    let count = Set(rows.map { "\($0.dedup) \($0.combine)" }).count
    return count == 1 ? " and this exchange" : " and these exchanges"
  }

  private func percent(_ share: Double) -> String {
    Quantity.percent(share, share < 0.0995 ? 1 : 0)
  }

  /// Whether better plans can exist than the best ones here: for every number of slots, because
  /// memory buys time.
  private var verdict: [String] {
    let groups = Dictionary(grouping: rows, by: \.slots).sorted { $0.key < $1.key }
    return groups.map { slots, rows in
      let best = rows.min { $0.cost < $1.cost }!
      let bound = rows.map(\.costBound).min()!
      let most = best.cost > 0 ? max(0, 1 - bound / best.cost) : 0
      let prefix = groups.count > 1 ? "\(slots) slots a layer: " : ""
      let next = rows.filter { $0.placement != best.placement }.min { $0.cost < $1.cost }
      let lead = next.map { 1 - best.cost / $0.cost } ?? 0
      let standing =
        lead >= Self.least ? ", \(percent(lead)) below \(next!.name)" : ""
      if most <= 0.1 {
        return "\(prefix)No plan can be more than \(percent(most)) better than \(best.name) in "
          + "\(what), with its slots\(exchanges) on the judged tokens: the lower bound."
          + (standing.isEmpty ? "" : " It is the best here\(standing).")
      }
      return "\(prefix)Undecided: gap \(percent(bound > 0 ? best.cost / bound - 1 : 0)). "
        + "\(best.name) is the best here in \(what)\(standing); a better plan with its "
        + "slots\(exchanges) may exist, by \(percent(most)) at most."
    }
  }

  /// What was gained on the fitted tokens and is not there on the judged ones.
  private var lostBalance: [String] {
    rows.compactMap { row in
      guard row.isFitted, let fitted = row.fitted?.load.maxOverMean else { return nil }
      let judged = row.judged.load.maxOverMean
      guard let plain, let before = plain.fitted?.load.maxOverMean else {
        guard judged - fitted > 0.05, judged - 1 > 2 * (fitted - 1) else { return nil }
        return "\(row.name) has load max/mean \(Quantity.fixed(fitted, 3)) on the tokens it was "
          + "fitted to and \(Quantity.fixed(judged, 3)) on the judged ones."
      }
      let (gain, kept) = (before - fitted, plain.judged.load.maxOverMean - judged)
      guard gain > 0.02 else { return nil }
      if kept < 0 {
        return "\(row.name) is worse balanced than \(plain.name) on the judged tokens "
          + "(\(Quantity.fixed(judged, 3)) against "
          + "\(Quantity.fixed(plain.judged.load.maxOverMean, 3))), to which it was not fitted."
      }
      guard kept < gain / 2 else { return nil }
      return "\(percent(1 - kept / gain)) of the balance that \(row.name) gains over \(plain.name) "
        + "on the fitted tokens is lost on the judged ones."
    }
  }

  /// Where the last per cent of balance is worth nothing.
  private var closeToMean: [String] {
    let close = rows.filter { $0.summedLoadMaxOverMean.map { $0 <= 1.01 } ?? false }
    guard let row = close.min(by: { $0.slots < $1.slots }), let summed = row.summedLoadMaxOverMean
    else { return [] }
    let judged = row.judged.load.maxOverMean
    return [
      "With \(row.slotsPerRank) slot\(row.slotsPerRank == 1 ? "" : "s") per rank \(row.name) is within "
        + "\(percent(max(0, summed - 1))) of the mean on all fitted steps together"
        + (judged > 1.02
          ? ", but \(percent(judged - 1)) above it on the judged steps, one by one: more balance on "
            + "their sum is worth nothing."
          : ": more balance is worth nothing.")
    ]
  }

  /// Balance that is paid for in copies between nodes.
  private var traffic: [String] {
    guard nodeCount > 1, let plain else { return [] }
    let before = plain.offNodeCopies
    guard before > 0 else { return [] }
    let changes = rows.filter { $0.name != plain.name }
      .map { (name: $0.name, change: $0.offNodeCopies / before - 1) }
    func sentence(_ list: [(name: String, change: Double)], _ word: String) -> [String] {
      guard !list.isEmpty else { return [] }
      let words = list.map { "\($0.name) \(percent(abs($0.change)))" }.joined(separator: ", ")
      return ["Between nodes send \(word) copies than \(plain.name): \(words)."]
    }
    return sentence(changes.filter { $0.change >= Self.least }, "more")
      + sentence(changes.filter { $0.change <= -Self.least }, "fewer")
  }

  /// That it does not matter.
  private var tie: [String] {
    guard rows.count > 1 else { return [] }
    let costs = rows.map(\.cost)
    let spread = costs.max()! / costs.min()! - 1
    guard spread < Self.least else { return [] }
    return ["All placements are within \(percent(spread)) of each other in \(what): no difference."]
  }

  /// That the best balance is not the best time.
  private var fastest: [String] {
    guard rows[0].judged.stepSeconds != nil,
      let even = rows.min(by: { $0.judged.load.maxOverMean < $1.judged.load.maxOverMean }),
      let fast = rows.min(by: { $0.cost < $1.cost }), even.cost > fast.cost * (1 + Self.least)
    else { return [] }
    return [
      "\(even.name) is balanced best, \(fast.name) is fastest: \(even.name) takes "
        + "\(percent(even.cost / fast.cost - 1)) longer."
    ]
  }

  /// What memory buys.
  private var replicas: [String] {
    let without = rows.filter { $0.extraSlots <= 0 }.min { $0.cost < $1.cost }
    let with = rows.filter { $0.extraSlots > 0 }.min { $0.cost < $1.cost }
    guard let without, let with else { return [] }
    let memory = Quantity.bytes(with.memoryBytesPerRank - without.memoryBytesPerRank)
    let gain = 1 - with.cost / without.cost
    return [
      "\(with.name) holds \(with.extraSlots) extra slots, \(memory) more on the fullest rank than "
        + "\(without.name), and is "
        + (gain >= Self.least
          ? "\(percent(gain)) better in \(what)."
          : gain <= -Self.least
            ? "\(percent(-gain)) worse in \(what)." : "no better in \(what).")
    ]
  }

  /// Searches that another run may end elsewhere.
  private var cutShort: [String] {
    let names = rows.filter(\.isCutShort).map(\.name)
    guard !names.isEmpty else { return [] }
    return [
      "Cut short by --max-seconds: \(names.joined(separator: ", ")). More time may find a better plan, "
        + "another run another one."
    ]
  }

  private var uselessReplicas: [String] {
    var told: Set<String> = []
    return rows.filter { $0.uselessReplicas > 0 && told.insert($0.placement).inserted }.map {
      "\($0.placement) puts \($0.uselessReplicas) replicas, over all layers, onto ranks that hold "
        + "the expert already: memory that spreads no load."
    }
  }
}
