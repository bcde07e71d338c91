// SPDX-License-Identifier: Apache-2.0
// epsim: the ranks of a cluster profile as the cost model takes them.

public import CostModel
internal import MoE

extension ClusterProfile {
  /// What a rank computes and copies.
  /// - Throws: ``InputError`` when its type has no peak for the precision.
  /// - Precondition: the topology has the rank.
  public func rank(_ index: Int, on topology: Topology, _ precision: Precision) throws
    -> RankParameters
  {
    let (type, speed) = typeAndSpeed(of: index, on: topology)
    return try parameters(type, precision, speed: speed)
  }

  /// [R] what each rank computes and copies.
  /// - Throws: ``InputError`` when a type in use has no peak for the precision.
  public func ranks(on topology: Topology, _ precision: Precision) throws -> [RankParameters] {
    var known: [String: RankParameters] = [:]
    return try (0..<topology.rankCount).map { index in
      let (type, speed) = typeAndSpeed(of: index, on: topology)
      if var parameters = known[type] {
        parameters.speed = speed
        return parameters
      }
      let parameters = try parameters(type, precision, speed: speed)
      known[type] = parameters
      return parameters
    }
  }

  /// What a rank is called: `H100 SXM`.
  public func rankName(_ index: Int, on topology: Topology) -> String {
    draft.text("\(typeAndSpeed(of: index, on: topology).type).name") ?? ""
  }

  /// The precisions that the usual rank has a peak for.
  public var precisions: [Precision] { precisions("rank") }

  /// Checks that what a rank must hold fits into its memory.
  ///
  /// - Parameters:
  ///   - what: what is held, for the error sentence: `deepseek-v3 in fp8`.
  ///   - bytes: what a rank must hold: expert weights and whatever the caller adds.
  /// - Throws: ``InputError`` that names the rank and both figures.
  public func requireMemory(
    for what: String, on topology: Topology, bytes: (_ rank: Int) -> Bytes
  ) throws {
    for index in 0..<topology.rankCount {
      let needed = bytes(index)
      let (type, _) = typeAndSpeed(of: index, on: topology)
      guard let size = draft.value("\(type).memory.size"), !(needed.value <= size.value) else {
        continue
      }
      let kind = draft.text("\(type).kind") ?? ""
      throw InputError(
        "\(what) needs \(ProfileQuantity(needed.value, .size).text) on rank \(index) of "
          + "\(topology.rankCount), the \(kind) \(rankName(index, on: topology)) of cluster \(name) "
          + "has \(ProfileQuantity(size.value, .size).text) (\(size.key)); accepted are more ranks, "
          + "a narrower precision or a cluster with more memory")
    }
  }

  private func typeAndSpeed(of index: Int, on topology: Topology) -> (type: String, speed: Double) {
    precondition((0..<topology.rankCount).contains(index), "rank \(index) of \(topology.rankCount)")
    guard !groups.isEmpty else { return ("rank", 1) }
    // Nodes of a group are those of the profile, of which a node of the topology may hold several.
    let node =
      ranksPerDomain == ranksPerNode ? topology.nodeOfRank[index] : index / ranksPerNode
    guard let group = groups.first(where: { $0.contains($0.isOfNodes ? node : index) }) else {
      return ("rank", 1)
    }
    return (group.rankType, number("groups.\(group.name).speed") ?? 1)
  }

  private func precisions(_ type: String) -> [Precision] {
    Precision.allCases.filter { draft.has("\(type).peak.\($0.rawValue)") }
  }

  private func parameters(_ type: String, _ precision: Precision, speed: Double) throws
    -> RankParameters
  {
    guard let peak = number("\(type).peak.\(precision.rawValue)") else {
      let known = precisions(type).map(\.rawValue).joined(separator: ", ")
      throw InputError(
        "cluster \(name) has no \(type).peak.\(precision.rawValue), accepted as precision is \(known)"
      )
    }
    return RankParameters(
      efficiencies: draft.quantityKeys("\(type).efficiency", .rows).map { rows in
        RankParameters.Efficiency(
          rows: rows.size,
          rate: FlopsPerSecond(peak * (number("\(type).efficiency.\(rows.text)") ?? 1)))
      },
      memory: rate("\(type).memory.bandwidth") * (number("\(type).memory.efficiency") ?? 1),
      memorySize: Bytes(number("\(type).memory.size") ?? .infinity),
      fixed: time("\(type).fixed"), perExpert: time("\(type).per_expert"),
      copies: rate("\(type).copies"), perAssignment: time("\(type).per_assignment"), speed: speed)
  }
}
