// SPDX-License-Identifier: Apache-2.0
// epsim: DeepSeek's expert-parallel load balancer.

internal import CostModel
internal import MoE
internal import Workloads

/// Replicates hot experts and packs the replicas by load, optionally node by node.
///
/// Hierarchical: groups of consecutive experts are packed onto nodes, then each node replicates its
/// experts and packs the replicas onto its ranks; a group never leaves its node. Global: the same
/// with one node and one group. Loads and sums are Float32, ties go to the lower index.
/// Source: github.com/deepseek-ai/EPLB, `rebalance_experts` (commit d52c72d).
public struct EPLBPlacement: PlacementStrategy {
  /// Which of the two forms is used.
  public enum Policy: String, Sendable, CaseIterable {
    /// Hierarchical where the groups divide evenly among the nodes, else global.
    case automatic = "auto"
    case global
    case hierarchical
  }

  /// Which of the two forms is used.
  public let policy: Policy

  public init(policy: Policy = .automatic) {
    self.policy = policy
  }

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    let load = problem.load
    let dividesEvenly = problem.groups % problem.topology.nodeCount == 0
    let isHierarchical = policy == .hierarchical || policy == .automatic && dividesEvenly
    if isHierarchical { try checkDivisibility(problem, name: name) }
    let offsets = problem.slotOffsets
    let solver = LayerSolver(
      slotOffsets: offsets, groups: isHierarchical ? problem.groups : 1,
      nodes: isHierarchical ? problem.topology.nodeCount : 1)
    return try ExpertPlacement(
      name: name, layers: load.layers, expertCount: load.expertCount, slotOffsets: offsets,
      physicalToLogical: load.layers.indices.map { row in
        solver.solve(load.row(row).map { Float($0) })
      })
  }

  /// What the hierarchical form needs to be whole.
  private func checkDivisibility(_ problem: PlacementProblem, name: String) throws {
    let (experts, groups) = (problem.load.expertCount, problem.groups)
    let (ranks, nodes) = (problem.topology.rankCount, problem.topology.nodeCount)
    let instead = "; eplb:global has no such limit"
    guard groups % nodes == 0 else {
      throw InputError(
        "placement \(name): hierarchical needs groups that divide evenly among nodes, not "
          + "\(groups) groups on \(nodes) nodes\(instead)")
    }
    guard experts % groups == 0 else {
      throw InputError(
        "placement \(name): hierarchical needs experts that divide evenly into groups, not "
          + "\(experts) experts in \(groups) groups\(instead)")
    }
    let perNode = max(1, ranks / nodes)
    guard (0..<ranks).allSatisfy({ problem.topology.nodeOfRank[$0] == $0 / perNode }) else {
      throw InputError(
        "placement \(name): hierarchical needs equal nodes of consecutive ranks, not \(ranks) "
          + "ranks on nodes \(problem.topology.nodeOfRank)\(instead)")
    }
    // On one node the slot rule for remainders applies; between nodes it would be unequal.
    guard nodes == 1 || problem.slotsPerRank != nil || problem.slotCount % ranks == 0 else {
      throw InputError(
        "placement \(name): hierarchical needs slots that divide evenly among ranks, not "
          + "\(problem.slotCount) slots (\(experts) experts and \(problem.extraSlots) extra) on "
          + "\(ranks) ranks\(instead)")
    }
    let offsets = problem.slotOffsets
    for node in 0..<nodes {
      let slots = offsets[(node + 1) * perNode] - offsets[node * perNode]
      guard slots >= experts / nodes else {
        throw InputError(
          "placement \(name): hierarchical needs at least \(experts / nodes) slots on each node, not "
            + "\(slots) on node \(node)\(instead)")
      }
    }
  }
}

/// The two levels of EPLB for one layer.
private struct LayerSolver {
  /// [R + 1] first slot of each rank, and P.
  let slotOffsets: [Int]
  let groups: Int
  let nodes: Int

  /// [E] loads to [P] logical expert of each slot.
  func solve(_ loads: [Float]) -> [Int32] {
    let logicalOfNodeMajor = expertsByNode(loads)
    let expertsPerNode = loads.count / nodes
    let ranksPerNode = (slotOffsets.count - 1) / nodes
    var slots = Array(repeating: Int32(0), count: slotOffsets[slotOffsets.count - 1])
    for node in 0..<nodes {
      let experts = logicalOfNodeMajor[node * expertsPerNode..<(node + 1) * expertsPerNode]
      let offsets = slotOffsets[node * ranksPerNode...(node + 1) * ranksPerNode]
      let nodeLoads = experts.map { loads[Int($0)] }

      // 2. Replicate the node's experts into the node's slots.
      let replication = ExpertReplication(
        loads: nodeLoads, replicaCount: offsets.last! - offsets.first!)
      let replicaLoads = replication.expertOfReplica.map { expert in
        nodeLoads[Int(expert)] / Float(replication.replicaCounts[Int(expert)])
      }

      // 3. Pack the replicas onto the node's ranks.
      let room = zip(offsets, offsets.dropFirst()).map { $1 - $0 }
      let positions = BalancedPacking.pack(replicaLoads, room: room)
      for (replica, position) in positions.enumerated() {
        // 4. Back from the node's numbering to logical experts.
        let expert = Int(replication.expertOfReplica[replica])
        slots[offsets[offsets.startIndex + position.pack] + position.index] =
          experts[experts.startIndex + expert]
      }
    }
    return slots
  }

  /// 1. Packs groups onto nodes by load.
  ///
  /// - Returns: [E] logical experts, those of node 0 first, a node's groups in packing order.
  private func expertsByNode(_ loads: [Float]) -> [Int32] {
    let groupSize = loads.count / groups
    let groupsPerNode = groups / nodes
    let groupLoads = (0..<groups).map { group in
      loads[group * groupSize..<(group + 1) * groupSize].reduce(0, +)
    }
    let positions = BalancedPacking.pack(
      groupLoads, room: Array(repeating: groupsPerNode, count: nodes))
    var experts = Array(repeating: Int32(0), count: loads.count)
    for (group, position) in positions.enumerated() {
      let start = (position.pack * groupsPerNode + position.index) * groupSize
      for index in 0..<groupSize { experts[start + index] = Int32(group * groupSize + index) }
    }
    return experts
  }
}
