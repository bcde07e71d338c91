// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the split of an exchange, by clocks and by barriers.

import Testing
import Timing

@Suite struct ExchangeSplitTests {
  private func stamps(
    _ entry: Int64, _ entered: Int64, _ arrived: Int64, _ exit: Int64, error: Int64 = 0
  ) -> ExchangeStamps {
    ExchangeStamps(entry: entry, entered: entered, arrived: arrived, exit: exit, clockError: error)
  }

  @Test func waitNeverExceedsTheTimeInTheExchange() {
    // A rank that left before the last one entered waited all its time, not longer.
    let split = ExchangeSplit.split([stamps(0, 0, 40, 45), stamps(100, 100, 130, 135)])
    #expect(split[0].wait == 40 && split[0].transfer == 0 && split[0].selfCopy == 5)
    #expect(split[1].wait == 0 && split[1].transfer == 30)
    #expect(split.map(\.total) == [45, 35])
  }

  @Test func errorIsThatOfBothClocks() {
    let split = ExchangeSplit.split([
      stamps(0, 0, 9, 9, error: 1), stamps(0, 0, 9, 9, error: 20), stamps(0, 0, 9, 9, error: 300),
    ])
    #expect(split.map(\.error) == [301, 320, 320])
    // A rank that is alone has nobody to be compared with.
    #expect(ExchangeSplit.split([stamps(0, 0, 9, 9, error: 7)])[0].error == 0)
  }

  @Test func barrierTimingBooksTheBarriersOwnCostApart() {
    let ranks = [stamps(0, 1010, 1110, 1120), stamps(1000, 1012, 1112, 1122)]
    let split = ExchangeSplit.split(ranks, timing: .barrier(cost: 12))
    #expect(split.map(\.wait) == [998, 0])
    #expect(split.map(\.barrier) == [12, 12])
    #expect(split.map(\.transfer) == [100, 100])
    #expect(split.map(\.error) == [2, 2])
    for (rank, part) in zip(ranks, split) { #expect(part.total == rank.exit - rank.entry) }
  }

  @Test func anySplitAddsUpToTheTimeInTheExchange() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let ranks = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        let entry = Int64.random(in: 0...1000, using: &random)
        let entered = entry + .random(in: 0...500, using: &random)
        let arrived = entered + .random(in: 0...500, using: &random)
        return stamps(entry, entered, arrived, arrived + .random(in: 0...50, using: &random))
      }
      for timing in [ExchangeTiming.clocks, .barrier(cost: 30)] {
        for (rank, part) in zip(ranks, ExchangeSplit.split(ranks, timing: timing)) {
          #expect(part.total == rank.exit - rank.entry)
          #expect(min(part.wait, part.transfer, part.selfCopy, part.barrier) >= 0)
        }
      }
    }
  }
}
