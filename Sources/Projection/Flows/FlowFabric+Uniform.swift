// SPDX-License-Identifier: Apache-2.0
// epsim: the flows of an exchange whose pairs are all alike.

internal import CostModel

extension FlowFabric {
  /// Whether all ranks see the same fabric: equal nodes, full NICs, full leaves.
  public var isRegular: Bool {
    let ranks = ranksOfNode[0].count
    return ranksOfNode.allSatisfy { $0.count == ranks } && ranks % network.ranksPerPort == 0
      && topology.nodeCount % min(nodesPerPod, topology.nodeCount) == 0
  }

  /// Equal bytes between all different ranks of a regular fabric, in at most five flows.
  ///
  /// All links of a kind carry the same flows, so they have the same share at every moment: one
  /// link of their total capacity, with all their flows, gives the rates of each. Exact.
  /// - Precondition: ``isRegular``; bytes are finite and not negative.
  func uniformFlows(bytes: Bytes) -> FlowNetwork {
    precondition(isRegular, "a fabric that is not regular")
    let inside = network.inside.segment(ofMessage: bytes)
    let between = network.between.segment(ofMessage: bytes)
    let (nodes, nodeRanks) = (topology.nodeCount, ranksOfNode[0].count)
    let ranks = nodes * nodeRanks
    let podNodes = min(nodesPerPod, nodes)
    let leaves = nodes / podNodes * leavesPerPod
    var flows = FlowNetwork()
    func addLink(_ name: String, _ capacity: BytesPerSecond, _ count: Int) -> Int {
      flows.addLink(name, capacity: capacity * Double(count))
    }
    let memory = [
      addLink("egress of every rank inside its node", inside.bandwidth, ranks),
      addLink("inside of every node", network.insideTotal, nodes),
      addLink("ingress of every rank inside its node", inside.bandwidth, ranks),
    ]
    let nics = [
      addLink("NIC egress of every \(portWord)", between.bandwidth, portStarts[nodes]),
      addLink("egress of every node", network.nodeTotal, nodes),
      addLink("ingress of every node", network.nodeTotal, nodes),
      addLink("NIC ingress of every \(portWord)", between.bandwidth, portStarts[nodes]),
    ]
    let uplinks = network.leaves?.uplinks ?? .infinity
    let spine = [
      addLink("uplinks of every leaf", uplinks, leaves),
      addLink("downlinks of every leaf", uplinks, leaves),
    ]
    func add(_ pairs: Int, _ route: [Int], _ latency: Seconds) {
      guard pairs > 0 else { return }
      flows.addFlow(route: flows.addRoute(route, latency: latency), bytes: bytes, count: pairs)
    }
    add(ranks * (nodeRanks - 1), memory, inside.latency)
    // Of the ranks of another node, those on the same rail; all where there are no rails.
    let straight = leavesPerPod > 1 ? network.ranksPerPort : nodeRanks
    for (partners, isPod) in [(podNodes - 1, true), (nodes - podNodes, false)] {
      let leaf = isPod ? [] : spine
      add(ranks * partners * straight, nics + leaf, between.latency)
      let crossing = ranks * partners * (nodeRanks - straight)
      if wiring == .rails(.insideFirst) {
        add(crossing, memory + nics + leaf, inside.latency + between.latency)
      } else {
        add(crossing, nics + spine, between.latency)
      }
    }
    return flows
  }

  private var portWord: String {
    network.ranksPerPort == 1 ? "rank" : portStarts[1] == 1 ? "node" : "port"
  }
}

extension TrafficMatrix {
  /// The copies between all different ranks where they are all equal; nil where they differ.
  var uniformCopies: Int? {
    guard rankCount > 1 else { return 0 }
    let copies = counts[1]
    for (index, count) in counts.enumerated() where count != copies {
      guard index % (rankCount + 1) == 0 else { return nil }
    }
    return copies
  }
}
