// SPDX-License-Identifier: Apache-2.0
// epsim: max-min sharing as slowly and plainly as it can be written.

import CostModel
import MoE
import Projection

/// A network of flows, each on its own, with rates found by bisection.
struct FlowReference {
  struct Flow {
    var route: [Int]
    var bytes: Double
    var latency = 0.0
    var cap = Double.infinity
  }

  var capacities: [Double]
  var flows: [Flow]

  /// Max-min fair rates of some of the flows: what all can have is found by bisection, who cannot
  /// have more stops there, the others go on.
  func rates(of active: [Int]) -> [Int: Double] {
    var fixed: [Int: Double] = [:]
    func usage(_ level: Double) -> [Double] {
      var usage = [Double](repeating: 0, count: capacities.count)
      for flow in active {
        for link in flows[flow].route { usage[link] += fixed[flow] ?? level }
      }
      return usage
    }
    func isPossible(_ level: Double) -> Bool {
      zip(usage(level), capacities).allSatisfy { $0 <= $1 * (1 + 1e-13) }
        && active.allSatisfy { fixed[$0] != nil || level <= flows[$0].cap }
    }
    while fixed.count < active.count {
      var (low, high) = (0.0, capacities.max()! * 2)
      for _ in 0..<200 {
        let middle = (low + high) / 2
        if isPossible(middle) { low = middle } else { high = middle }
      }
      let usage = usage(low)
      for flow in active where fixed[flow] == nil {
        let isFull = flows[flow].route.contains { usage[$0] > capacities[$0] * (1 - 1e-11) }
        if isFull || low > flows[flow].cap * (1 - 1e-11) { fixed[flow] = low }
      }
    }
    return fixed
  }

  /// When each flow ends: from event to event.
  func finish() -> [Double] {
    var left = flows.map(\.bytes)
    var finish = flows.map { _ in 0.0 }
    var now = 0.0
    while left.contains(where: { $0 > 0 }) {
      let active = flows.indices.filter { left[$0] > 0 && flows[$0].latency <= now }
      let starts = flows.indices.filter { left[$0] > 0 && flows[$0].latency > now }
        .map { flows[$0].latency }
      let rates = rates(of: active)
      let ends = active.map { now + left[$0] / rates[$0]! }
      let next = min(starts.min() ?? .infinity, ends.min() ?? .infinity)
      for (flow, end) in zip(active, ends) {
        if end <= next * (1 + 1e-12) {
          finish[flow] = end
          left[flow] = 0
        } else {
          left[flow] -= rates[flow]! * (next - now)
        }
      }
      now = next
    }
    return finish
  }

  var network: FlowNetwork {
    var network = FlowNetwork()
    for (index, capacity) in capacities.enumerated() {
      network.addLink("link \(index)", capacity: BytesPerSecond(capacity))
    }
    for flow in flows {
      let route = network.addRoute(
        flow.route, latency: Seconds(flow.latency), rateCap: BytesPerSecond(flow.cap))
      network.addFlow(route: route, bytes: Bytes(flow.bytes))
    }
    return network
  }

  /// A small random network; every third case with equal bytes, some with caps and latencies.
  static func random(_ seed: UInt64) -> FlowReference {
    let random = CounterRandom(seed: seed, 77)
    var position: UInt64 = 0
    func unit() -> Double {
      position += 1
      return random.unit(at: position)
    }
    let links = 1 + Int(unit() * 8)
    let capacities = (0..<links).map { _ in 1 + Double(Int(unit() * 8)) }
    let flows = (0..<1 + Int(unit() * 14)).map { _ in
      let length = 1 + Int(unit() * Double(min(4, links)))
      var route: [Int] = []
      while route.count < length {
        let link = Int(unit() * Double(links))
        if !route.contains(link) { route.append(link) }
      }
      return Flow(
        route: route, bytes: seed % 3 == 0 ? 5 : 0.1 + 9 * unit(),
        latency: seed % 2 == 0 ? Double(Int(unit() * 3)) : 0,
        cap: unit() < 0.25 ? 0.2 + unit() : .infinity)
    }
    return FlowReference(capacities: capacities, flows: flows)
  }
}
