// SPDX-License-Identifier: Apache-2.0
// epsim: what is left of an exchange when its late ranks enter.

/// When every rank is done with an exchange that its ranks enter one after the other.
///
/// A rank whose ports need t for the whole exchange spends it on its partners, on each in proportion
/// to what the partner's ports need; on one that has not entered yet it cannot begin. So with
/// entries e
///
///     end_r = max(e_r + t_r, max over later p of e_p + t_r * (sum of t over p and all later than p)
///                                                            / (sum of t over all but r))
///
/// which is e + t where all enter at once, and the last entry + t for two ranks: rows of early ranks
/// travel while others are waited for. Allocates nothing after `init`.
struct LateEntries: Sendable {
  /// [R] ranks by entry, the latest first.
  private var order: [Int]
  /// The upper hull of (travel that is left, entry) over the ranks that entered later.
  private var left: [Double]
  private var entries: [Double]

  init(rankCount: Int) {
    order = Array(0..<rankCount)
    left = Array(repeating: 0, count: rankCount)
    entries = left
  }

  /// Fills in `ends`.
  ///
  /// Shapes: `entry`, `ends` [R] s; `time` of R ranks.
  mutating func ends(of entry: [Double], _ time: ExchangeTime, into ends: inout [Double]) {
    func need(_ rank: Int) -> Double { time.startUp[rank] + time.travel[rank] }
    let total = (0..<order.count).reduce(0) { $0 + need($1) }
    order.sort { (entry[$1], $0) < (entry[$0], $1) }
    var (hull, suffix) = (0, 0.0)
    for rank in order {
      let own = need(rank)
      let others = total - own
      // Where no other rank needs time, all of this one's is left when the last has entered.
      let isAlone = others <= 1e-12 * total
      let latest =
        isAlone
        ? (hull > 0 ? entries[0] + own : -.infinity) : latest(hull, slope: own / others)
      ends[rank] = max(entry[rank] + own, latest)
      suffix += own
      add(suffix, entry[rank], &hull)
    }
  }

  /// The largest of entry + slope * left over the hull: it rises to its peak and falls.
  private func latest(_ hull: Int, slope: Double) -> Double {
    guard hull > 0 else { return -.infinity }
    var (low, high) = (0, hull - 1)
    while low < high {
      let middle = (low + high) / 2
      if entries[middle] + slope * left[middle] < entries[middle + 1] + slope * left[middle + 1] {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return entries[low] + slope * left[low]
  }

  /// Adds a point with more left and no later entry; takes out those beneath the line that it makes.
  private mutating func add(_ x: Double, _ y: Double, _ hull: inout Int) {
    if hull > 0, left[hull - 1] == x {
      entries[hull - 1] = max(entries[hull - 1], y)
      return
    }
    while hull > 1 {
      let (a, b) = (hull - 2, hull - 1)
      let isBeneath =
        (entries[b] - entries[a]) * (x - left[a]) <= (y - entries[a]) * (left[b] - left[a])
      guard isBeneath else { break }
      hull -= 1
    }
    (left[hull], entries[hull]) = (x, y)
    hull += 1
  }
}
