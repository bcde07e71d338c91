// SPDX-License-Identifier: Apache-2.0
// epsim: the limits of an exchange, one by one.

extension PortModel {
  /// The time of one direction of an exchange, into room that the caller keeps. Allocates nothing.
  /// - Precondition: as ``time(of:hops:)``.
  public mutating func evaluate(
    _ loads: PortLoads, hops: ExchangeHops = .pipelined, into time: inout ExchangeTime
  ) {
    precondition(
      loads.insideEgress.copies.count == topology.rankCount
        && time.rankCount == topology.rankCount
        && (network.leaves == nil || network.leaves!.nodesPerLeaf == loads.nodesPerLeaf),
      "loads of \(loads.topology.rankCount) ranks and \(loads.nodesPerLeaf ?? 0) nodes per leaf "
        + "for \(topology.rankCount) and \(network.leaves?.nodesPerLeaf ?? 0)")
    addUp(loads)
    for rank in 0..<topology.rankCount {
      sums.between[rank] = betweenNeed(of: rank, loads)
      sums.inside[rank] = insideNeed(of: rank, loads)
    }
    var worst = PortNeed()
    switch hops {
    case .pipelined:
      for rank in 0..<topology.rankCount {
        var need = sums.between[rank]
        need.take(sums.inside[rank])
        set(need.startUp, need.travel, rank, in: &time)
        worst.take(need)
      }
    case .summed:
      worst = addHops(into: &time)
    }
    conclude(worst, in: &time)
  }

  /// What the ranks of a port and of a node pass together.
  private mutating func addUp(_ loads: PortLoads) {
    sums.clear()
    let (copy, message) = (loads.bytesPerCopy.value, loads.bytesPerMessage.value)
    func bytes(_ side: PortLoads.Side, _ rank: Int) -> Double {
      side.copies[rank] * copy + side.messages[rank] * message
    }
    for rank in 0..<topology.rankCount {
      let (node, port) = (topology.nodeOfRank[rank], portOfRank[rank])
      let (leaving, entering) = (
        bytes(loads.betweenEgress, rank), bytes(loads.betweenIngress, rank)
      )
      sums.egress[port].messages += loads.betweenEgress.messages[rank]
      sums.egress[port].bytes += leaving
      sums.ingress[port].messages += loads.betweenIngress.messages[rank]
      sums.ingress[port].bytes += entering
      sums.nodeEgress[node] += leaving
      sums.nodeIngress[node] += entering
      sums.nodeInside[node] += bytes(loads.insideEgress, rank)
    }
  }

  /// The slowest of a rank's port between nodes, the ports of its node and the links of its leaf;
  /// nothing where the rank itself sends and gets nothing there.
  private func betweenNeed(of rank: Int, _ loads: PortLoads) -> PortNeed {
    var need = PortNeed()
    let (leaves, enters) = (
      loads.betweenEgress.messages[rank] > 0, loads.betweenIngress.messages[rank] > 0
    )
    guard leaves || enters else { return need }
    let (node, port) = (topology.nodeOfRank[rank], portOfRank[rank])
    if leaves {
      let load = sums.egress[port]
      need.take(
        messages: load.messages, bytes: load.bytes, network.between, .portEgress, port)
      need.take(sums.nodeEgress[node], network.nodeTotal, .nodeEgress, node)
    }
    if enters {
      let load = sums.ingress[port]
      need.take(
        messages: load.messages, bytes: load.bytes, network.between, .portIngress, port)
      need.take(sums.nodeIngress[node], network.nodeTotal, .nodeIngress, node)
    }
    if let level = network.leaves {
      let leaf = node / level.nodesPerLeaf
      if leaves {
        need.take(
          loads.bytes(\.leafEgress, at: leaf).value, level.uplinks, .leafEgress, leaf)
      }
      if enters {
        need.take(
          loads.bytes(\.leafIngress, at: leaf).value, level.uplinks, .leafIngress, leaf)
      }
    }
    return need
  }

  /// The slower of a rank's port inside its node and of what the node exchanges inside.
  private func insideNeed(of rank: Int, _ loads: PortLoads) -> PortNeed {
    var need = PortNeed()
    let (copy, message) = (loads.bytesPerCopy.value, loads.bytesPerMessage.value)
    let (egress, ingress) = (
      loads.insideEgress.messages[rank], loads.insideIngress.messages[rank]
    )
    guard egress > 0 || ingress > 0 else { return need }
    need.take(
      messages: egress, bytes: loads.insideEgress.copies[rank] * copy + egress * message,
      network.inside, .rankEgress, rank)
    need.take(
      messages: ingress, bytes: loads.insideIngress.copies[rank] * copy + ingress * message,
      network.inside, .rankIngress, rank)
    let node = topology.nodeOfRank[rank]
    need.take(sums.nodeInside[node], network.insideTotal, .nodeMemory, node)
    return need
  }

  /// Between nodes first: a rank's second hop begins when its node has got everything.
  private mutating func addHops(into time: inout ExchangeTime) -> PortNeed {
    for rank in 0..<topology.rankCount {
      sums.firstHop[topology.nodeOfRank[rank]].take(sums.between[rank])
    }
    var (longest, worst) = (-1.0, PortNeed())
    for rank in 0..<topology.rankCount {
      let (first, second) = (
        sums.firstHop[topology.nodeOfRank[rank]], sums.inside[rank]
      )
      set(first.startUp + second.startUp, first.travel + second.travel, rank, in: &time)
      guard first.total + second.total > longest else { continue }
      longest = first.total + second.total
      worst = second
      worst.take(first)
      worst.startUp = first.startUp + second.startUp
    }
    return worst
  }

  private func set(
    _ startUp: Double, _ travel: Double, _ rank: Int, in time: inout ExchangeTime
  ) {
    time.startUp[rank] = base + startUp
    time.travel[rank] = travel
  }

  /// The whole exchange, and what decides it.
  private func conclude(_ worst: PortNeed, in time: inout ExchangeTime) {
    var total = 0.0
    for rank in 0..<topology.rankCount {
      total = max(total, time.startUp[rank] + time.travel[rank])
    }
    time.total = Seconds(total)
    time.bindingTime = Seconds(worst.travel)
    if total == 0 {
      time.binding = .nothing
    } else if worst.place < 0 || base + worst.startUp >= worst.travel {
      time.binding = .latency
      time.bindingTime = Seconds(base + worst.startUp)
    } else {
      time.binding = limit(worst)
    }
  }

  private func limit(_ need: PortNeed) -> BindingLimit {
    let place = need.place
    return switch need.limit {
    case .rankEgress: .rankEgress(rank: place)
    case .rankIngress: .rankIngress(rank: place)
    case .portEgress: .portEgress(node: nodeOfPort[place], port: placeOfPort[place])
    case .portIngress: .portIngress(node: nodeOfPort[place], port: placeOfPort[place])
    case .nodeEgress: .nodeEgress(node: place)
    case .nodeIngress: .nodeIngress(node: place)
    case .nodeMemory: .nodeMemory(node: place)
    case .leafEgress: .leafEgress(leaf: place)
    case .leafIngress: .leafIngress(leaf: place)
    }
  }
}
