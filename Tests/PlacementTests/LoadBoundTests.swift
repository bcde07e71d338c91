// SPDX-License-Identifier: Apache-2.0
// epsim: tests of lower bounds on load where ranks are not equally fast.

import Placement
import Testing
import Workloads

@Suite struct LoadBoundTests {
  private func offsets(_ slots: [Int]) -> [Int] {
    slots.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
  }

  /// The smallest largest load / speed over all ways to fill the slots, replicas sharing evenly.
  private func bruteForce(_ loads: [Int], _ slots: [Int], _ speeds: [Double]) -> Double? {
    let rankOfSlot = slots.enumerated().flatMap { Array(repeating: $0, count: $1) }
    var row = Array(repeating: 0, count: rankOfSlot.count)
    var best: Double?
    func fill(_ slot: Int) {
      guard slot == row.count else {
        for expert in loads.indices {
          row[slot] = expert
          fill(slot + 1)
        }
        return
      }
      let counts = loads.indices.map { expert in row.count { $0 == expert } }
      guard !counts.contains(0) else { return }
      var sums = slots.map { _ in 0.0 }
      for (slot, expert) in row.enumerated() {
        sums[rankOfSlot[slot]] += Double(loads[expert]) / Double(counts[expert])
      }
      best = min(best ?? .infinity, zip(sums, speeds).map { $0 / $1 }.max()!)
    }
    fill(0)
    return best
  }

  @Test func noPlacementOnUnequalRanksIsBelow() throws {
    var random = RandomDraws(key: 23, number: 0)
    let accepted = [1, 0.75, 0.5, 0.3, 0.1]
    var (cases, reached, aboveMean) = (0, 0, 0)
    for _ in 0..<300 {
      let ranks = Int.random(in: 1...4, using: &random)
      let slots = (0..<ranks).map { _ in Int.random(in: 0...3, using: &random) }
      let count = slots.reduce(0, +)
      guard (1...6).contains(count) else { continue }
      let extra = Int.random(in: 0...2, using: &random)
      let loads = (0..<max(1, count - extra)).map { _ in Int.random(in: 0...20, using: &random) }
      let speeds = (0..<ranks).map { _ in accepted.randomElement(using: &random)! }
      let bound = LoadBound(loads: loads, slotOffsets: offsets(slots), speeds: speeds)
      let best = try #require(bruteForce(loads, slots, speeds))
      #expect(bound.value <= best * (1 + 1e-9), "\(loads) \(slots) \(speeds)")
      cases += 1
      reached += bound.value >= best * (1 - 1e-9) ? 1 : 0
      aboveMean += bound.value > bound.mean * (1 + 1e-9) ? 1 : 0
    }
    // The bounds say something: most are above the mean, many are reached.
    #expect(cases > 150 && aboveMean * 2 > cases && reached * 3 > cases)
  }

  @Test func slowRanksHoldWhatFastOnesCannot() {
    func bound(_ loads: [Int], _ slots: [Int], _ speeds: [Double]) -> LoadBound {
      LoadBound(loads: loads, slotOffsets: offsets(slots), speeds: speeds)
    }
    // One expert has to stand on the slowest rank.
    #expect(bound([10, 10, 10], [1, 1, 1], [1, 0.5, 0.1]).value == 100)
    #expect(bound([7, 2], [1, 1], [1, 0.5]).value == 7)
    // 5 assignments: at z = 3 ranks hold 3 and 1, at 4 they hold 4 and 2.
    #expect(bound([1, 1, 1, 1, 1], [3, 2], [1, 0.5]).value == 4)
    let replicas = bound([12, 4], [2, 1, 0], [1, 0.5, 0.5])
    #expect(replicas.mean == 8 && replicas.heaviestReplica == 6 && replicas.cardinality == 0)
    #expect(abs(replicas.value - 16 / 1.5) < 1e-12)
  }

  @Test func equalSpeedsOnlyScale() {
    var random = RandomDraws(key: 5, number: 0)
    for _ in 0..<100 {
      let ranks = Int.random(in: 1...5, using: &random)
      let slots = (0..<ranks).map { _ in Int.random(in: 1...4, using: &random) }
      let extra = Int.random(in: 0...1, using: &random)
      let loads = (0..<max(1, slots.reduce(0, +) - extra)).map { _ in
        Int.random(in: 0...50, using: &random)
      }
      let plain = LoadBound(loads: loads, slotOffsets: offsets(slots))
      let ones = LoadBound(
        loads: loads, slotOffsets: offsets(slots), speeds: slots.map { _ in 1 })
      let halves = LoadBound(
        loads: loads, slotOffsets: offsets(slots), speeds: slots.map { _ in 0.5 })
      #expect(plain == ones)
      #expect(halves.value == 2 * plain.value && halves.mean == 2 * plain.mean)
    }
  }
}
