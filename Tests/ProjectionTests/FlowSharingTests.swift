// SPDX-License-Identifier: Apache-2.0
// epsim: tests of max-min sharing and of when flows end.

import CostModel
import Projection
import Testing

@Suite struct FlowSharingTests {
  @Test func ratesAgreeWithBisection() {
    for seed in 0..<400 as Range<UInt64> {
      let reference = FlowReference.random(seed)
      let expected = reference.rates(of: Array(reference.flows.indices))
      for (flow, rate) in reference.network.fairRates().enumerated() {
        #expect(abs(rate.value / expected[flow]! - 1) < 1e-9, "seed \(seed), flow \(flow)")
      }
    }
  }

  @Test func endsAgreeWithTheReference() {
    for seed in 0..<400 as Range<UInt64> {
      let reference = FlowReference.random(seed)
      let expected = reference.finish()
      let times = FlowTimes(of: reference.network)
      for (time, end) in zip(times.finish, expected) {
        #expect(abs(time.value / end - 1) < 1e-9, "seed \(seed)")
      }
      #expect(times.total == times.finish.max())
      #expect(times.total >= times.bound * (1 - 1e-12))
    }
  }

  @Test func equalFlowsMayBeOne() {
    for seed in 0..<100 as Range<UInt64> {
      let reference = FlowReference.random(seed)
      var (each, together) = (FlowNetwork(), FlowNetwork())
      for (index, capacity) in reference.capacities.enumerated() {
        each.addLink("\(index)", capacity: BytesPerSecond(capacity))
        together.addLink("\(index)", capacity: BytesPerSecond(capacity))
      }
      var first: [Int] = []
      for (index, flow) in reference.flows.enumerated() {
        first.append(each.flowCount)
        let latency = Seconds(flow.latency)
        for _ in 0...index {
          let route = each.addRoute(flow.route, latency: latency)
          each.addFlow(route: route, bytes: Bytes(flow.bytes))
        }
        let route = together.addRoute(flow.route, latency: latency)
        together.addFlow(route: route, bytes: Bytes(flow.bytes), count: index + 1)
      }
      let (one, many) = (FlowTimes(of: together), FlowTimes(of: each))
      for (index, time) in one.finish.enumerated() {
        #expect(abs(time / many.finish[first[index]] - 1) < 1e-9, "seed \(seed)")
      }
    }
  }

  @Test func unequalFlowsMayShareARoute() {
    // 2, 4 and 6 B at 6 B/s: thirds until 1 s, halves until 1 + 2 / 3 s, then all for one.
    var network = FlowNetwork()
    let link = network.addLink("wire", capacity: BytesPerSecond(6))
    let route = network.addRoute([link])
    for bytes in [6.0, 2, 4] { network.addFlow(route: route, bytes: Bytes(bytes)) }
    let times = FlowTimes(of: network)
    #expect(abs(times.finish[1].value - 1) < 1e-12)
    #expect(abs(times.finish[2].value - 5.0 / 3) < 1e-12)
    #expect(abs(times.finish[0].value - 2) < 1e-12)
    #expect(times.limit == link && abs(times.limitBusy - 1) < 1e-12)
  }

  @Test func latencyIsPaidBeforeSharing() {
    // The second starts at 1 s, when 6 of 10 B are left.
    var network = FlowNetwork()
    let link = network.addLink("wire", capacity: BytesPerSecond(4))
    network.addFlow(route: network.addRoute([link]), bytes: Bytes(10))
    network.addFlow(
      route: network.addRoute([link], latency: Seconds(1)), bytes: Bytes(2))
    let times = FlowTimes(of: network)
    // From 1 s on 2 B/s each: the second ends at 2 s, the first has 4 B left at 4 B/s.
    #expect(times.finish.map(\.value) == [3, 2])
  }

  @Test func extremesAreDefined() {
    #expect(FlowTimes(of: FlowNetwork()).total == .zero)
    var network = FlowNetwork()
    let free = network.addLink("free", capacity: .infinity)
    let wire = network.addLink("wire", capacity: BytesPerSecond(1))
    network.addFlow(route: network.addRoute([free], latency: Seconds(2)), bytes: Bytes(5))
    network.addFlow(route: network.addRoute([wire], latency: Seconds(9)), bytes: .zero)
    network.addFlow(route: network.addRoute([wire]), bytes: Bytes(5), count: 0)
    network.addFlow(
      route: network.addRoute([], rateCap: BytesPerSecond(10)), bytes: Bytes(5), count: 3)
    let times = FlowTimes(of: network)
    #expect(times.finish.map(\.value) == [2, 0, 0, 0.5])
    #expect(times.limit == nil && times.bound == .zero)

    var endless = FlowNetwork()
    let thread = endless.addLink("thread", capacity: BytesPerSecond(.leastNormalMagnitude))
    endless.addFlow(route: endless.addRoute([thread]), bytes: Bytes(1e300), count: 1 << 40)
    #expect(FlowTimes(of: endless).total == .infinity)
  }

  @Test func aCoarseResolutionNeverFallsBelowTheBound() {
    for seed in 0..<200 as Range<UInt64> {
      let network = FlowReference.random(seed).network
      let exact = FlowTimes(of: network)
      let coarse = FlowTimes(of: network, resolution: 0.05)
      #expect(coarse.total >= coarse.bound * (1 - 1e-12), "seed \(seed)")
      #expect(coarse.fillings <= exact.fillings, "seed \(seed)")
      #expect(abs(coarse.total / exact.total - 1) < 0.3, "seed \(seed)")
    }
  }

  @Test func moreBytesOnTheOnlyWireTakeLonger() {
    var last = Seconds.zero
    for bytes in [1.0, 2, 5] {
      var network = FlowNetwork()
      let route = network.addRoute([network.addLink("wire", capacity: BytesPerSecond(3))])
      network.addFlow(route: route, bytes: Bytes(bytes), count: 4)
      let total = FlowTimes(of: network).total
      #expect(total > last)
      last = total
    }
  }
}
