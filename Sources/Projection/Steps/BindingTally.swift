// SPDX-License-Identifier: Apache-2.0
// epsim: what decides a step, over its exchanges and layers.

internal import CostModel

/// Adds up, over the layers of a step, the time of whatever decided each part of them.
struct BindingTally {
  /// [kinds][places] time.
  private var times: [String: [String: Seconds]] = [:]

  /// Counts what an exchange waited for.
  mutating func add(_ exchange: ExchangeTime) {
    guard exchange.bindingTime > .zero else { return }
    let name = "\(exchange.binding)"
    add(kind: Self.kind(of: exchange.binding) ?? name, name, exchange.bindingTime)
  }

  /// Counts the experts of the rank that computed longest.
  mutating func add(experts time: Seconds, rank: Int) {
    guard time > .zero else { return }
    add(kind: "busiest experts", "experts of rank \(rank)", time)
  }

  private mutating func add(kind: String, _ name: String, _ time: Seconds) {
    times[kind, default: [:]][name, default: .zero] += time
  }

  /// The kinds with their times, the longest first, with the place that they are at most often.
  var bindings: [ProjectedStep.Binding] {
    times.map { kind, places in
      let total = places.values.reduce(.zero, +)
      let most = places.max { ($0.value, $1.key) < ($1.value, $0.key) }!
      let name =
        places.count == 1 ? most.key : "\(kind) (\(most.key) most, \(places.count) in all)"
      return ProjectedStep.Binding(name: name, time: total)
    }.sorted { ($1.time, $0.name) < ($0.time, $1.name) }
  }

  /// What a limit is, wherever it is; nil where it has no place.
  private static func kind(of limit: BindingLimit) -> String? {
    switch limit {
    case .rankEgress: "egress inside a node"
    case .rankIngress: "ingress inside a node"
    case .portEgress: "NIC egress"
    case .portIngress: "NIC ingress"
    case .nodeEgress: "egress of a node"
    case .nodeIngress: "ingress of a node"
    case .nodeMemory: "exchange inside a node"
    case .leafEgress: "uplinks of a leaf"
    case .leafIngress: "downlinks of a leaf"
    case .latency, .nothing: nil
    }
  }
}
