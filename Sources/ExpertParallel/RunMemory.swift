// SPDX-License-Identifier: Apache-2.0
// epsim: how much memory a run needs, and whether the nodes have it.

internal import CostModel
internal import Foundation
internal import Kernels
internal import MPI
internal import MoE
internal import Placement
internal import Workloads

/// Sizes a run before anything large is allocated.
struct RunMemory {
  private let configuration: RunConfiguration
  private let rank: Int
  /// The most choices per token of any case.
  private let choiceWidth: Int
  /// Sizes of this rank's activation buffers.
  let bufferSizes: LayerBuffers.Sizes

  /// Counts the rows that this rank will receive. Collective.
  ///
  /// Looked-up choices are known beforehand, so the largest number of rows of any case, step and
  /// layer is counted; a live router may send every assignment to one rank.
  init(_ configuration: RunConfiguration, on comm: borrowing Communicator) throws(MPIError) {
    self.configuration = configuration
    rank = comm.rank
    let model = configuration.model
    let tokens = configuration.tokenCapacity(rank: comm.rank)
    let partners = NodePartners(configuration.topology)
    var bounds = RowBounds(
      tokens: tokens, allTokens: configuration.tokenCount,
      sentRows: configuration.routings.map { $0.rowLimit(tokenCount: tokens) }.max() ?? 0,
      receivedRows: 0, largestBlock: 0,
      forwardedTokens: partners.sources(of: comm.rank).reduce(0) {
        $0 + configuration.tokenCapacity(rank: $1)
      })
    for (index, routing) in configuration.routings.enumerated() {
      switch routing {
      case .workload(let source) where !configuration.placementsChange:
        let cases = configuration.cases.filter { $0.routing == index }
        let largest = try Self.largestCounts(configuration, source, cases: cases, on: comm)
        bounds.receivedRows = max(bounds.receivedRows, largest.received)
        bounds.largestBlock = max(bounds.largestBlock, largest.block)
      case .router, .workload:
        // Every rank may send all that it has to this one.
        let limits = (0..<comm.size).map {
          routing.rowLimit(tokenCount: configuration.tokenCapacity(rank: $0))
        }
        bounds.receivedRows = max(bounds.receivedRows, limits.reduce(0, +))
        bounds.largestBlock = max(bounds.largestBlock, limits.max() ?? 0)
      }
    }
    choiceWidth = configuration.routings.map(\.choiceWidth).max() ?? model.topK
    bufferSizes = LayerBuffers.Sizes(
      bounds: bounds, space: Self.space(configuration, bounds: bounds, rank: comm.rank),
      hidden: model.hiddenSize,
      logitsPerToken: configuration.routesLive ? model.expertCount : 0,
      hasShared: model.sharedFFNSize > 0,
      elementBytes: configuration.elementType.byteCount)
  }

  /// The memory that the ranks of this node share; nil where no case needs it. Collective.
  func sharedSpace(on comm: borrowing Communicator) throws -> NodeSpace? {
    guard configuration.cases.flatMap(\.schemes).contains(where: \.transport.sharesMemory)
    else {
      return nil
    }
    return try NodeSpace(
      sizes: bufferSizes.sharedByteCounts, rowBytes: bufferSizes.hidden * 4,
      slotCount: configuration.cases.map(\.placement.slotCount).max() ?? 0,
      topology: configuration.topology, on: comm)
  }

  /// Room for what travels in any case.
  private static func space(
    _ configuration: RunConfiguration, bounds: RowBounds, rank: Int
  ) -> ExchangeSpace {
    let (topology, hidden) = (configuration.topology, configuration.model.hiddenSize)
    let node = topology.nodeOfRank[rank]
    return configuration.cases.reduce(into: ExchangeSpace()) { space, runCase in
      let width = configuration.routing(of: runCase).choiceWidth
      for scheme in runCase.schemes {
        space.formUnion(
          ExchangeSpace(
            scheme, bounds: bounds, hidden: hidden,
            unitBytes: scheme.unitBytes(
              hidden: hidden, topology, slotOffsets: runCase.placement.slotOffsets,
              choiceWidth: width),
            choiceWidth: width, rankCount: topology.rankCount,
            ranksOfNode: topology.nodeOfRank.count { $0 == node }))
      }
    }
  }

  /// The most rows that this rank receives, and that any rank sends to any one, in any of these
  /// cases, step and layer. Collective.
  private static func largestCounts(
    _ configuration: RunConfiguration, _ source: any RoutingSource, cases: [RunCase],
    on comm: borrowing Communicator
  ) throws(MPIError) -> (received: Int, block: Int) {
    let (rank, topK) = (comm.rank, source.topK)
    let capacity = configuration.tokenCapacity(rank: rank) * topK
    var largest: (received: Int64, block: Int64) = (0, 0)
    for layer in configuration.layers {
      let planners = cases.map { runCase in
        (
          plan: DispatchPlan(
            assignmentCapacity: capacity, slotOffsets: runCase.placement.slotOffsets),
          replicas: LayerReplicas(
            runCase, layer: layer, rank: rank, topology: configuration.topology,
            space: ReplicaSpace(runCase, topology: configuration.topology))
        )
      }
      var rowsPerRank: [Int64] = []
      for step in 0..<configuration.warmupSteps + configuration.measuredSteps {
        let decision = StepInputs.decision(
          source, layer: layer, step: step,
          positions: configuration.positions(rank: rank, step: step))
        for (plan, replicas) in planners {
          try plan.build(decision, replicas: replicas, on: comm)
          rowsPerRank += plan.sendPartition.counts.map(Int64.init)
          largest.block = max(largest.block, rowsPerRank.suffix(comm.size).max() ?? 0)
        }
      }
      // [steps, cases, R], summed over source ranks: what each rank receives.
      let received = try comm.allReduce(rowsPerRank, .sum)
      for index in stride(from: rank, to: received.count, by: comm.size) {
        largest.received = max(largest.received, received[index])
      }
    }
    return (Int(largest.received), Int(try comm.allReduce(largest.block, .max)))
  }

  /// Bytes that this rank needs for these cases: packed weights, one unpacked expert, buffers.
  func byteCount(for cases: ArraySlice<RunCase>) -> Int {
    let model = configuration.model
    let elementBytes = configuration.elementType.byteCount
    let weightLayers = Set(configuration.layers.map(configuration.weights.weightLayer)).count
    let experts = ShardKey.union(of: cases, rank: rank, configuration: configuration).count
    let expertBytes = experts * model.expertParameterCount * elementBytes
    let sharedWeights = configuration.computes ? model.sharedParameterCount : 0
    let sharedBytes = weightLayers * sharedWeights * elementBytes
    let routerBytes = weightLayers * bufferSizes.logitsPerToken * model.hiddenSize * 4
    let scratchBytes =
      configuration.computes ? max(sharedWeights, model.expertParameterCount) * 4 : 0
    // The buffers exist beside a copy of the step's inputs, and a plan per case and layer.
    let assignments = bufferSizes.bounds.tokens * choiceWidth
    let inputBytes = bufferSizes.bounds.tokens * model.hiddenSize * 4
    let routingBytes = cases.reduce(0) { sum, runCase in
      guard case .router(let live) = configuration.routing(of: runCase) else { return sum }
      return sum + RoutingWorkspace.byteCount(live, configuration, rank: rank)
    }
    let balanceBytes = configuration.balance.map { $0.byteCount(configuration) } ?? 0
    let planBytes = (cases.count * 20 + 8) * assignments * configuration.layers.count
    let engineBytes = cases.reduce(0) {
      $0 + tableBytes(of: $1)
        + ReplicaSpace.byteCount(
          $1, topology: configuration.topology, layers: configuration.layers.count)
    }
    let shardBytes =
      expertBytes + sharedBytes + routerBytes + planBytes + routingBytes + engineBytes
    return configuration.shardCount * shardBytes + scratchBytes + inputBytes + balanceBytes
      + bufferSizes.totalBytes
  }

  /// Bytes of the tables of a case's engines: which copies travel, for which experts, and which rows
  /// make up a result.
  private func tableBytes(of runCase: RunCase) -> Int {
    let (bounds, topology) = (bufferSizes.bounds, configuration.topology)
    let width = configuration.routing(of: runCase).choiceWidth
    return runCase.schemes.reduce(0) { sum, scheme in
      let entries = scheme.entriesPerCopy(
        topology, slotOffsets: runCase.placement.slotOffsets, choiceWidth: width)
      let targets = scheme.targetOfRank(seenFrom: rank, topology).map { Set($0).count } ?? 0
      let copies = min(bounds.sentRows, bounds.tokens * targets)
      let members = scheme.returnsSums ? 12 : 4
      return sum + copies * (entries * MemoryLayout<CopyEntry>.stride + 4)
        + bounds.tokens * width * 8 + bounds.receivedRows * members
    }
  }

  /// Splits the cases into blocks whose weights fit the nodes together. Collective.
  ///
  /// Every block starts with the first case, so that every comparison stays paired.
  /// - Throws: an agreed ``InputError`` where the first case and one other do not fit.
  func blocks(on comm: borrowing Communicator) throws -> [[Int]] {
    let node = try comm.splitShared()
    var blocks: [[Int]] = []
    var current = [0]
    try requireFit(current, node: node, comm: comm)
    for index in configuration.cases.indices.dropFirst() {
      if try fits(current + [index], node: node, comm: comm).isEmpty {
        current.append(index)
      } else {
        blocks.append(current)
        current = [0, index]
        try requireFit(current, node: node, comm: comm)
      }
    }
    return blocks + [current]
  }

  private func requireFit(
    _ cases: [Int], node: borrowing Communicator, comm: borrowing Communicator
  ) throws {
    let complaint = try fits(cases, node: node, comm: comm)
    guard complaint.isEmpty else { throw InputError(complaint) }
  }

  /// An empty string where the cases fit every node, else what does not fit. Collective.
  private func fits(
    _ cases: [Int], node: borrowing Communicator, comm: borrowing Communicator
  ) throws -> String {
    let own = byteCount(for: cases.map { configuration.cases[$0] }[...])
    let need = try node.allReduce(own, .sum)
    let free = try node.allReduce(
      configuration.memoryLimit ?? (FreeMemory.byteCount() ?? .max), .min)
    // The lowest rank whose node is too small speaks for all.
    let speaker = try comm.allReduce(need > free ? comm.rank : comm.size, .min)
    guard speaker < comm.size else { return "" }
    let gib = { (bytes: Int) in String(format: "%.1f GiB", Double(bytes) / 0x1p30) }
    let names = cases.map { configuration.cases[$0].name }.joined(separator: " and ")
    let sentence =
      "\(configuration.model.name) under \(names) needs \(gib(need)) on the node of rank "
      + "\(speaker), which has \(gib(free)) for it; use fewer layers or tokens, more nodes, or "
      + "--weights shared"
    return try comm.broadcast(sentence, root: speaker)
  }
}
