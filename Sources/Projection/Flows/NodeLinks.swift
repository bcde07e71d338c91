// SPDX-License-Identifier: Apache-2.0
// epsim: the links of a fabric in a flow network, all ports of a node as one.

internal import CostModel

/// The links of a fabric whose nodes are single ports.
struct NodeLinks {
  private let fabric: FlowFabric
  /// [N] ports of the ranks inside their node and its memory.
  private var rankOut: [Int] = []
  private var memory: [Int] = []
  private var rankIn: [Int] = []
  /// [N] all NICs of a node.
  private var out: [Int] = []
  private var into: [Int] = []
  /// [pods] all uplinks of a pod's leaves; empty where nothing above the leaves binds.
  private var up: [Int] = []
  private var down: [Int] = []

  init(
    of fabric: FlowFabric, _ insideBandwidth: BytesPerSecond, _ betweenBandwidth: BytesPerSecond,
    in flows: inout FlowNetwork
  ) {
    self.fabric = fabric
    let network = fabric.network
    for (node, ranks) in fabric.ranksOfNode.enumerated() {
      let ports = insideBandwidth * Double(ranks.count)
      rankOut.append(
        flows.addLink("egress of the ranks of node \(node) inside it", capacity: ports))
      memory.append(flows.addLink("inside of node \(node)", capacity: network.insideTotal))
      rankIn.append(
        flows.addLink("ingress of the ranks of node \(node) inside it", capacity: ports))
      let nics = min(
        betweenBandwidth * Double(fabric.portCount(ofNode: node)), network.nodeTotal)
      out.append(flows.addLink("NIC egress of node \(node)", capacity: nics))
      into.append(flows.addLink("NIC ingress of node \(node)", capacity: nics))
    }
    guard let leaves = network.leaves else { return }
    let uplinks = leaves.uplinks * Double(fabric.leavesPerPod)
    let name = fabric.leavesPerPod > 1 ? "the leaves of pod" : "leaf"
    for pod in 0...(fabric.ranksOfNode.count - 1) / leaves.nodesPerLeaf {
      up.append(flows.addLink("uplinks of \(name) \(pod)", capacity: uplinks))
      down.append(flows.addLink("downlinks of \(name) \(pod)", capacity: uplinks))
    }
  }

  func inside(_ node: Int) -> [Int] { [rankOut[node], memory[node], rankIn[node]] }

  func between(_ source: Int, _ destination: Int, crossesRails: Bool) -> [Int] {
    let (pod, lastPod) = (source / fabric.nodesPerPod, destination / fabric.nodesPerPod)
    return [out[source]] + spine(pod, lastPod, crossesRails: crossesRails) + [into[destination]]
  }

  /// From a node to any of a pod.
  func between(node: Int, pod: Int, crossesRails: Bool) -> [Int] {
    [out[node]] + spine(node / fabric.nodesPerPod, pod, crossesRails: crossesRails)
  }

  /// From any node of a pod to a node.
  func between(pod: Int, node: Int, crossesRails: Bool) -> [Int] {
    spine(pod, node / fabric.nodesPerPod, crossesRails: crossesRails) + [into[node]]
  }

  private func spine(_ pod: Int, _ lastPod: Int, crossesRails: Bool) -> [Int] {
    up.isEmpty || pod == lastPod && !crossesRails ? [] : [up[pod], down[lastPod]]
  }
}
