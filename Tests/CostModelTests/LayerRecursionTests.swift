// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the clocks of ranks through a step.

import CostModel
import MoE
import Testing

@Suite struct LayerRecursionTests {
  /// Random times of every phase, and random exchanges.
  private func work(ranks: Int, seed: UInt64, listed: Bool = false) -> LayerWork {
    let random = CounterRandom(seed: seed)
    var work = LayerWork(rankCount: ranks)
    for phase in RankPhase.allCases {
      work.local.set(phase) {
        .microseconds(random.unit(at: UInt64(phase.rawValue * ranks + $0)) * 100)
      }
    }
    let topology = Topology(ranks: ranks, nodes: ranks)
    let traffic = randomTraffic(ranks, seed: seed, empty: 0.6)
    let loads = PortLoads(traffic, topology: topology, bytesPerCopy: Bytes(1000))
    let network = bareNetwork(between: 1e9, latency: 2)
    work.dispatch = network.time(of: loads, topology: topology)
    work.combine = network.time(
      of: loads.reversed(bytesPerCopy: Bytes(2000)), topology: topology)
    if listed {
      work.dispatchSenders = Senders(traffic)
      work.combineSenders = Senders(returning: traffic)
    }
    return work
  }

  /// One rank after the other, in the words of the definition.
  private func slowLayer(_ work: LayerWork, _ traffic: TrafficMatrix?, ready: [Double]) -> [Double]
  {
    func local(_ phase: RankPhase, _ rank: Int) -> Double { work.local[phase, rank].value }
    func waits(_ rank: Int, for other: Int, back: Bool) -> Bool {
      guard let traffic, rank != other else { return true }
      return back ? traffic[rank, other] > 0 : traffic[other, rank] > 0
    }
    let ranks = 0..<ready.count
    let enter = ranks.map {
      ready[$0] + local(.route, $0) + local(.plan, $0) + local(.delay, $0) + local(.pack, $0)
    }
    // Partner after partner, as they enter; messages wait for all that send.
    func end(_ rank: Int, _ entry: [Double], _ time: ExchangeTime, back: Bool) -> Double {
      let need = time[rank].value
      guard traffic == nil else {
        return ranks.filter { waits(rank, for: $0, back: back) }.map { entry[$0] }.max()! + need
      }
      let others = ranks.filter { $0 != rank }
      let all = others.reduce(0) { $0 + time[$1].value }
      var now = entry[rank]
      guard !others.isEmpty else { return now + need }
      guard all > 0 else { return max(now, others.map { entry[$0] }.max()!) + need }
      for other in others.sorted(by: { entry[$0] < entry[$1] }) {
        now = max(now, entry[other]) + need * time[other].value / all
      }
      return now
    }
    let computed = ranks.map { rank in
      end(rank, enter, work.dispatch, back: false) + local(.group, rank) + local(.expert, rank)
        + local(.shared, rank) + local(.ungroup, rank)
    }
    return ranks.map { rank in
      end(rank, computed, work.combine, back: true) + local(.reduce, rank)
    }
  }

  @Test(arguments: [1, 2, 3, 7], [false, true])
  func clocksAreThoseOfTheSlowWay(ranks: Int, listed: Bool) {
    for seed in 0..<20 as Range<UInt64> {
      var recursion = LayerRecursion(rankCount: ranks)
      var ready = (0..<ranks).map { Double($0) * 1e-5 }
      recursion.begin(at: ready.map { Seconds($0) })
      for layer in 0..<4 as Range<UInt64> {
        let work = work(ranks: ranks, seed: seed * 10 + layer, listed: listed)
        let traffic =
          listed ? randomTraffic(ranks, seed: seed * 10 + layer, empty: 0.6) : nil
        let (before, last) = (recursion.ready, ready.max()!)
        let time = recursion.advance(work)
        ready = slowLayer(work, traffic, ready: ready)
        #expect(zip(ready, recursion.ready).allSatisfy { isClose($0, $1) })
        #expect(isClose(time.value, ready.max()! - last, within: 1e-9))
        for rank in 0..<ranks {
          // Phases fill the time of the layer; what is waited is never negative.
          let all = recursion.layer.total(of: rank).value
          #expect(isClose(before[rank] + all, ready[rank], within: 1e-9))
          #expect(recursion.layer[.dispatchWait, rank] >= .zero)
          #expect(recursion.layer[.combineTransfer, rank].value <= work.combine[rank].value + 1e-15)
        }
      }
      #expect(isClose(recursion.time.value, ready.max()!))
      let waits = (0..<ranks).reduce(0.0) {
        $0 + (recursion.step[.dispatchWait, $1] + recursion.step[.combineWait, $1]).value
      }
      #expect(isClose(waits, recursion.causedWait.reduce(0, +), within: 1e-9))
    }
  }

  @Test func aStragglerMovesTheAnswerAndIsNamed() {
    let ranks = 6
    var recursion = LayerRecursion(rankCount: ranks)
    var work = LayerWork(rankCount: ranks)
    work.local.set(.expert) { _ in .microseconds(100) }
    recursion.begin()
    #expect(isClose(recursion.advance(work).microseconds, 100))
    work.local[.delay, 4] = .microseconds(30)
    recursion.begin()
    #expect(isClose(recursion.advance(work).microseconds, 130))
    // The five others wait for it, and it for nobody.
    #expect(isClose(recursion.causedWait[4] * 1e6, 150))
    #expect(recursion.layer[.dispatchWait, 4] == .zero)
    #expect(isClose(recursion.layer[.dispatchWait, 0].microseconds, 30))
    #expect(isClose(recursion.layer.largest(.delay).microseconds, 30))
    #expect(isClose(recursion.layer.mean(.delay).microseconds, 5))
  }

  @Test func exchangesMayBeMeasuredElsewhere() {
    var work = LayerWork(rankCount: 2)
    work.dispatch = ExchangeTime(
      startUp: [.microseconds(1), .microseconds(2)], travel: [.microseconds(10), .microseconds(4)])
    #expect(isClose(work.dispatch.total.microseconds, 11))
    var recursion = LayerRecursion(rankCount: 2)
    recursion.begin()
    // Rank 1 is through with dispatch after 6 us, and waits 5 for the results of rank 0.
    #expect(isClose(recursion.advance(work).microseconds, 11))
    #expect(isClose(recursion.layer[.combineWait, 1].microseconds, 5))
    #expect(isClose(recursion.causedWait[0] * 1e6, 5))
    // What a rank copies besides may make it the last.
    work.dispatch.add(.microseconds(8), ofRank: 1)
    #expect(isClose(work.dispatch.total.microseconds, 14))
  }

  @Test func lateOnesWhoMeetNobodyCostNoSumOfMaxima() {
    // Ranks {0, 1} and {2, 3} exchange among themselves; late in turn, each pair loses 10 once.
    var traffic = TrafficMatrix(rankCount: 4)
    for (a, b) in [(0, 1), (1, 0), (2, 3), (3, 2)] { traffic[a, b] = 1 }
    var recursion = LayerRecursion(rankCount: 4)
    recursion.begin()
    for late in [0, 2] {
      var work = LayerWork(rankCount: 4)
      (work.dispatchSenders, work.combineSenders) = (Senders(traffic), Senders(returning: traffic))
      work.local[.expert, late] = .microseconds(10)
      recursion.advance(work)
    }
    #expect(isClose(recursion.time.microseconds, 10))
  }

  @Test func chunksCostNoMoreThanTheirStartUp() {
    for seed in 0..<10 as Range<UInt64> {
      var work = work(ranks: 5, seed: seed)
      var whole = LayerRecursion(rankCount: 5)
      var halves = LayerRecursion(rankCount: 5, chunks: 2)
      whole.begin()
      halves.begin()
      whole.advance(work)
      work.chunks = 2
      // Up to 4 messages of 2 us each way.
      #expect(halves.advance(work) <= whole.time + .microseconds(16))
      #expect(halves.step.values.allSatisfy { $0 >= 0 })
      for rank in 0..<5 {
        let phases = halves.layer.total(of: rank).value
        #expect(isClose(phases, halves.ready[rank], within: 1e-9))
      }
    }
  }

  @Test func chunksHideTheSmallerOfExchangeAndCompute() {
    func time(
      _ chunks: Int, exchange: Double, compute: Double, factor: Double = 1
    ) -> Double {
      let ranks = 3
      let topology = Topology(ranks: ranks, nodes: ranks)
      var work = LayerWork(rankCount: ranks)
      // 1 kB to each of two others.
      let traffic = TrafficMatrix(rankCount: 3, counts: [0, 1, 1, 1, 0, 1, 1, 1, 0])
      let loads = PortLoads(traffic, topology: topology, bytesPerCopy: Bytes(1000))
      let network = bareNetwork(between: 2000 / (exchange * 1e-6))
      work.dispatch = network.time(of: loads, topology: topology)
      work.combine = work.dispatch
      work.local.set(.expert) { _ in .microseconds(compute) }
      (work.chunks, work.overlapFactor) = (chunks, factor)
      var recursion = LayerRecursion(rankCount: ranks, chunks: chunks)
      recursion.begin()
      return recursion.advance(work).microseconds
    }
    #expect(isClose(time(1, exchange: 40, compute: 100), 180))
    // Compute binds: a first dispatch of 10, compute, a last combine of 10.
    #expect(isClose(time(4, exchange: 40, compute: 100), 120))
    // The network binds: it is never idle but for the compute of the first chunk at the most.
    #expect(isClose(time(4, exchange: 100, compute: 40), 200))
    // Half the bandwidth where compute runs beside: 25 + 3 x 50 there, 3 x 50 + 25 back.
    #expect(isClose(time(4, exchange: 100, compute: 40, factor: 0.5), 350))
    #expect(isClose(time(4, exchange: 0.001, compute: 100, factor: 0.5), 100.0005))
    // Nothing to move, nothing to compute.
    #expect(isClose(time(4, exchange: 40, compute: 0), 80))
  }

  @Test func everyChunkPaysItsStartUp() {
    var work = LayerWork(rankCount: 2)
    let topology = Topology(ranks: 2, nodes: 2)
    let traffic = TrafficMatrix(rankCount: 2, counts: [0, 1, 1, 0])
    work.dispatch = bareNetwork(latency: 5).time(
      of: PortLoads(traffic, topology: topology, bytesPerCopy: Bytes(1)), topology: topology)
    work.combine = work.dispatch
    work.chunks = 3
    var recursion = LayerRecursion(rankCount: 2, chunks: 3)
    recursion.begin()
    #expect(isClose(recursion.advance(work).microseconds, 30))
  }
}
