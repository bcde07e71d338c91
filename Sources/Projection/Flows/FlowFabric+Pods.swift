// SPDX-License-Identifier: Apache-2.0
// epsim: the flows of an exchange, one per node and pod, for very many nodes.

internal import CostModel
internal import MoE

/// What each node exchanges with each pod: nodes on the same leaves.
struct PodTraffic {
  /// [N, pods] to ranks of a pod, on the same rail (all where there are no rails).
  var outStraight: [NodeTraffic.Share]
  /// [N, pods] to ranks of a pod, on other rails.
  var outCrossing: [NodeTraffic.Share]
  /// [N, pods] from ranks of a pod.
  var inStraight: [NodeTraffic.Share]
  var inCrossing: [NodeTraffic.Share]
  /// [N]
  var inside: [NodeTraffic.Share]

  /// Sums up the traffic between ranks.
  /// - Precondition: traffic and fabric have the same ranks.
  init(of traffic: TrafficMatrix, bytesPerCopy: Bytes, on fabric: FlowFabric) {
    let ranks = fabric.topology.rankCount
    precondition(traffic.rankCount == ranks, "\(traffic.rankCount) ranks for \(ranks)")
    let pods = fabric.podCount
    outStraight = Array(repeating: .init(), count: fabric.topology.nodeCount * pods)
    (outCrossing, inStraight, inCrossing) = (outStraight, outStraight, outStraight)
    inside = Array(repeating: .init(), count: fabric.topology.nodeCount)
    let nodes = fabric.topology.nodeOfRank
    let rails = (0..<ranks).map(fabric.switchRail)
    for source in 0..<ranks {
      for destination in 0..<ranks where source != destination {
        let copies = traffic[source, destination]
        guard copies > 0 else { continue }
        let bytes = bytesPerCopy.value * Double(copies)
        let (start, end) = (nodes[source], nodes[destination])
        let out = start * pods + end / fabric.nodesPerPod
        let into = end * pods + start / fabric.nodesPerPod
        if start == end {
          inside[start].add(bytes)
        } else if rails[source] == rails[destination] {
          outStraight[out].add(bytes)
          inStraight[into].add(bytes)
        } else {
          outCrossing[out].add(bytes)
          inCrossing[into].add(bytes)
        }
      }
    }
  }

  var betweenMessage: Bytes { NodeTraffic.Share.meanMessage(outStraight + outCrossing) }
  var insideMessage: Bytes { NodeTraffic.Share.meanMessage(inside) }
}

extension FlowFabric {
  var podCount: Int { (topology.nodeCount - 1) / nodesPerPod + 1 }

  /// The exchange twice: as flows from nodes to pods, which share what nodes send and the spine,
  /// and as flows from pods to nodes, which share the spine and what nodes receive.
  ///
  /// N times pods routes each, instead of N times N. Where pairs are equal both are exact; what a
  /// busy sender loses at a busy receiver in another pod is in neither.
  func podFlows(of traffic: PodTraffic) -> (egress: FlowNetwork, ingress: FlowNetwork) {
    let (nodes, pods) = (topology.nodeCount, podCount)
    let inside = network.inside.segment(ofMessage: traffic.insideMessage)
    let between = network.between.segment(ofMessage: traffic.betweenMessage)
    var (egress, ingress) = (FlowNetwork(), FlowNetwork())
    let outLinks = NodeLinks(of: self, inside.bandwidth, between.bandwidth, in: &egress)
    let inLinks = NodeLinks(of: self, inside.bandwidth, between.bandwidth, in: &ingress)
    let isRelayed = wiring == .rails(.insideFirst)
    let crossingLatency = isRelayed ? inside.latency + between.latency : between.latency
    for node in 0..<nodes {
      let memory = outLinks.inside(node)
      egress.add(traffic.inside[node], memory, latency: inside.latency)
      for pod in 0..<pods {
        let index = node * pods + pod
        egress.add(
          traffic.outStraight[index], outLinks.between(node: node, pod: pod, crossesRails: false),
          latency: between.latency)
        egress.add(
          traffic.outCrossing[index],
          (isRelayed ? memory : [])
            + outLinks.between(node: node, pod: pod, crossesRails: !isRelayed),
          latency: crossingLatency)
        ingress.add(
          traffic.inStraight[index], inLinks.between(pod: pod, node: node, crossesRails: false),
          latency: between.latency)
        ingress.add(
          traffic.inCrossing[index],
          inLinks.between(pod: pod, node: node, crossesRails: !isRelayed),
          latency: crossingLatency)
      }
    }
    return (egress, ingress)
  }
}
