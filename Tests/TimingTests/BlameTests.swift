// SPDX-License-Identifier: Apache-2.0
// epsim: tests of who is blamed for waiting, and for what.

import Testing
import Timing

@Suite struct BlameTests {
  @Test func aRankThatPacksLongerIsBlamedForPacking() {
    let blame = Blame(
      timeline([
        stamps([1, 2, 10, 6000, 6001, 6002, 6003, 6004, 6010, 6011]),
        stamps([1, 2, 5010, 6000, 6001, 6002, 6003, 6004, 6010, 6011]),
        stamps([1, 2, 10, 6000, 6001, 6002, 6003, 6004, 6010, 6011]),
      ]), step: 0)
    #expect(blame.waiting == [[0, 0, 0], [5000, 0, 5000], [0, 0, 0]])
    let cause = blame.causes[1]
    #expect(abs(cause.packing - 5000 * 2 / 3) < 1e-6 && cause.exchanges == 1)
    #expect(abs(cause.expert) < 1e-6 && abs(cause.earlier) < 1e-6)
    #expect(blame.causes[0] == Blame.Cause())
  }

  @Test func aRankThatComputesLongerIsBlamedForComputing() {
    let blame = Blame(
      timeline([
        stamps([1, 2, 10, 20, 21, 121, 131, 132, 400, 401]),
        stamps([1, 2, 10, 20, 21, 321, 331, 332, 400, 401]),
      ]), step: 0)
    #expect(blame.waiting == [[0, 0], [200, 0]])
    #expect(abs(blame.causes[1].expert - 100) < 1e-6)
    #expect(abs(blame.causes[1].packing) < 1e-6)
  }

  @Test func latenessFromTheExchangeBeforeIsTold() {
    // Rank 1 leaves dispatch 50 us later and does everything else alike.
    let blame = Blame(
      timeline([
        stamps([1, 2, 10, 20, 21, 121, 131, 132, 300, 301]),
        stamps([1, 2, 10, 70, 71, 171, 181, 182, 300, 301]),
      ]), step: 0)
    #expect(blame.waiting == [[0, 0], [50, 0]])
    #expect(abs(blame.causes[1].earlier - 25) < 1e-6)
    #expect(abs(blame.causes[1].expert) < 1e-6)
  }

  @Test func waitingBelowTheClocksErrorIsNobodysFault() {
    let ranks = [
      stamps([1, 2, 10, 200, 201, 202, 203, 204, 205, 206]),
      stamps([1, 2, 40, 200, 201, 202, 203, 204, 205, 206]),
    ]
    #expect(Blame(timeline(ranks, errors: [10_000, 10_000]), step: 0).waiting[1][0] == 30)
    let blurred = Blame(timeline(ranks, errors: [20_000, 20_000]), step: 0)
    #expect(blurred.waiting == [[0, 0], [0, 0]] && blurred.causes[1].exchanges == 0)
  }

  @Test func nobodyIsBlamedByARankThatItExchangesNothingWith() {
    // Two pairs: rank 1 lets rank 0 wait; rank 3, the last of all, lets rank 2 wait.
    let none: [Int64?] = [nil, nil, nil, nil]
    let ranks = [
      stamps(
        stamps([1, 2, 10, 400, 500, 600, 700, 800, 900, 901]),
        dispatch: [nil, 400, nil, nil], combine: none),
      stamps(
        stamps([1, 2, 310, 400, 500, 600, 700, 800, 900, 901]),
        dispatch: [400, nil, nil, nil], combine: none),
      stamps(
        stamps([1, 2, 20, 700, 701, 702, 703, 800, 900, 901]),
        dispatch: [nil, nil, nil, 700], combine: none),
      stamps(
        stamps([1, 2, 620, 700, 701, 702, 703, 800, 900, 901]),
        dispatch: [nil, nil, 700, nil], combine: none),
    ]
    let own = timeline(ranks, hasPartners: true)
    let blame = Blame(own, step: 0)
    #expect(
      blame.waiting == [[0, 0, 0, 0], [300, 0, 0, 0], [0, 0, 0, 0], [0, 0, 600, 0]])
    #expect(blame.causes.map(\.exchanges) == [0, 1, 0, 1])
    // Against the mean entry of all ranks, 240.
    #expect(abs(blame.causes[1].packing - 70) < 1e-6)
    #expect(abs(blame.causes[3].packing - 380) < 1e-6)
    #expect(own.times(of: .dispatch, step: 0).map(\.transfer) == [90, 90, 80, 80])
    // By barrier everybody waits for everybody.
    let barrier = timeline(ranks, timing: .barrier(cost: 0), hasPartners: true)
    #expect(Blame(barrier, step: 0).causes.map(\.exchanges).prefix(3) == [0, 0, 0])
  }

  @Test func causesAddUpToTheLateness() {
    for _ in 0..<100 {
      let ranks = (0..<4).map { _ -> [Int64] in
        var time: Int64 = 0
        let ends = (0..<4).map { _ -> Int64 in
          time += Int64.random(in: 1...100)
          return time
        }
        // All ranks leave dispatch together, later than any has entered it.
        return stamps(ends[..<3] + [500] + (1...6).map { 500 + $0 })
      }
      let blame = Blame(timeline(ranks), step: 0)
      let entries = ranks.map { Double($0[1 + LayerStamp.pack.rawValue]) / 1000 }
      let lateness = entries.max()! - entries.reduce(0, +) / 4
      let culprit = entries.firstIndex(of: entries.max()!)!
      let cause = blame.causes[culprit]
      guard cause.exchanges > 0 else { continue }
      #expect(abs(cause.expert + cause.packing + cause.earlier - lateness) < 1e-6)
    }
  }
}
