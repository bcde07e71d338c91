// SPDX-License-Identifier: Apache-2.0
// epsim: what an exchange waits for, in words.

/// The part of a cluster that decides how long an exchange takes.
public enum BindingLimit: Sendable, Hashable, CustomStringConvertible {
  /// What a rank sends to its own node.
  case rankEgress(rank: Int)
  /// What a rank gets from its own node.
  case rankIngress(rank: Int)
  /// What leaves a node through a port; `port` is nil where the node has one.
  case portEgress(node: Int, port: Int?)
  /// What enters a node through a port; `port` is nil where the node has one.
  case portIngress(node: Int, port: Int?)
  /// What leaves a node through all its ports.
  case nodeEgress(node: Int)
  /// What enters a node through all its ports.
  case nodeIngress(node: Int)
  /// What the ranks of a node exchange inside it.
  case nodeMemory(node: Int)
  /// What leaves a leaf switch.
  case leafEgress(leaf: Int)
  /// What enters a leaf switch.
  case leafIngress(leaf: Int)
  /// Start-up times: bytes take less.
  case latency
  /// Nothing is exchanged.
  case nothing

  public var description: String {
    switch self {
    case .rankEgress(let rank): "egress of rank \(rank) inside its node"
    case .rankIngress(let rank): "ingress of rank \(rank) inside its node"
    case .portEgress(let node, let port): "\(Self.name(port)) egress of node \(node)"
    case .portIngress(let node, let port): "\(Self.name(port)) ingress of node \(node)"
    case .nodeEgress(let node): "egress of all NICs of node \(node)"
    case .nodeIngress(let node): "ingress of all NICs of node \(node)"
    case .nodeMemory(let node): "exchange inside node \(node), all ranks together"
    case .leafEgress(let leaf): "uplinks of leaf \(leaf)"
    case .leafIngress(let leaf): "downlinks of leaf \(leaf)"
    case .latency: "latency"
    case .nothing: "nothing"
    }
  }

  private static func name(_ port: Int?) -> String { port.map { "NIC \($0)" } ?? "NIC" }
}
