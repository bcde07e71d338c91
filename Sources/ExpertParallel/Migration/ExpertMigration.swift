// SPDX-License-Identifier: Apache-2.0
// epsim: moves packed experts between ranks.

internal import CostModel
internal import Kernels
internal import MPI
internal import MoE
internal import Placement
internal import Timing

/// Moves the experts of one placement to where another wants them, layer by layer.
///
/// Packed weights travel as they lie in memory, from the source's memory into the destination's,
/// without a copy in between. A rank holds what it held, and of one layer what it gets; what it
/// loses is freed before the next layer, unless the old placement goes on beside the new one. All
/// ranks need one backend and one instruction set, whose packed layouts are the same.
final class ExpertMigration {
  private let configuration: RunConfiguration
  private let shard: ExpertShard
  private let heartbeat: Heartbeat
  private let rank: Int
  /// Whether experts have weights; stand-ins move as many bytes of nothing.
  private let isReal: Bool

  init(
    _ configuration: RunConfiguration, shard: ExpertShard, isReal: Bool, rank: Int,
    heartbeat: Heartbeat
  ) {
    self.configuration = configuration
    self.shard = shard
    self.isReal = isReal
    self.rank = rank
    self.heartbeat = heartbeat
  }

  /// Moves every layer. Collective.
  ///
  /// - Parameter keepsOld: whether ranks keep what the new placement does not want on them.
  /// - Precondition: this rank holds its experts of `old` and every layer has weights of its own.
  /// - Throws: an agreed error where memory cannot be described, `MPIError` where MPI fails.
  func move(
    from old: ExpertPlacement, to new: ExpertPlacement, lostRanks: Set<Int> = [],
    keepsOld: Bool = false, on comm: borrowing Communicator
  ) throws -> MigrationResult {
    heartbeat.enter(.preparing)
    return MigrationResult(
      layers: try configuration.layers.map { layer in
        let plan = ExpertTransfers(
          from: old, to: new, layer: layer, topology: configuration.topology,
          lostRanks: lostRanks)
        let result = try move(layer: layer, plan, on: comm)
        if !keepsOld {
          let row = new.row(ofLayer: layer)!
          shard.keep(Set(new.experts(onRank: rank, layerRow: row)), ofLayer: layer)
        }
        return result
      })
  }

  /// The memory of an expert on one side of a transfer.
  private enum Cargo {
    case weights(ExpertFFN.Weights)
    case standIn(StandInMemory)

    var memory: [UnsafeMutableRawBufferPointer] {
      switch self {
      case .weights(let weights): weights.memory
      case .standIn(let standIn): [standIn.bytes]
      }
    }
  }

  private func move(
    layer: Int, _ plan: ExpertTransfers, on comm: borrowing Communicator
  ) throws -> MigrationResult.Layer {
    let outgoing = plan.transfers.filter { $0.source == rank }
    let incoming = plan.transfers.filter { $0.destination == rank }
    let room = try comm.agree {
      try incoming.map { _ in isReal ? .weights(try shard.room()) : Cargo.standIn(standIn()) }
    }
    // What is only read may be sent to many at once.
    let sentStandIn = isReal || outgoing.isEmpty ? nil : standIn()
    let requests = RequestSet(capacity: max(1, 2 * (outgoing.count + incoming.count)))
    try comm.barrier()
    let start = MonotonicClock.now()
    if isReal, !plan.lost.isEmpty {
      try comm.agree {
        try shard.make(plan.lost.filter { $0.source == rank }.map(\.expert), layer: layer)
      }
    }
    // Messages of a pair of ranks are in the order of the plan on both sides.
    for (transfer, cargo) in zip(incoming, room) {
      for part in cargo.memory {
        _ = try requests.startReceive(
          into: part.bindMemory(to: UInt8.self), from: transfer.source, on: comm)
      }
    }
    var bytes = (sent: 0, offNode: 0)
    var sources: [Cargo] = []
    for transfer in outgoing {
      let cargo =
        sentStandIn.map(Cargo.standIn)
        ?? .weights(shard.weights(ofExpert: transfer.expert, layer: layer))
      sources.append(cargo)
      let leavesNode =
        configuration.topology.nodeOfRank[transfer.destination]
        != configuration.topology.nodeOfRank[rank]
      for part in cargo.memory {
        _ = try requests.startSend(
          UnsafeBufferPointer(part.bindMemory(to: UInt8.self)), to: transfer.destination, on: comm)
        bytes.sent += part.count
        bytes.offNode += leavesNode ? part.count : 0
      }
    }
    try requests.waitAll()
    let time = MonotonicClock.now() - start
    withExtendedLifetime(sources) {}
    for (transfer, cargo) in zip(incoming, room) {
      if case .weights(let weights) = cargo {
        shard.adopt(weights, expert: transfer.expert, layer: layer)
      }
    }
    let received = room.reduce(0) { $0 + $1.memory.reduce(0) { $0 + $1.count } }
    let sums = try comm.allReduce([Int64(bytes.sent), Int64(bytes.offNode)], .sum)
    let largest = try comm.allReduce([Int64(received), time], .max)
    return MigrationResult.Layer(
      layer: layer, movedExperts: plan.transfers.count, recreatedExperts: plan.lost.count,
      bytes: Int(sums[0]), offNodeBytes: Int(sums[1]), largestReceived: Int(largest[0]),
      time: largest[1])
  }

  private func standIn() -> StandInMemory {
    StandInMemory(
      byteCount: configuration.model.expertParameterCount * configuration.elementType.byteCount)
  }
}

/// Bytes that stand for an expert's weights where nothing computes.
private final class StandInMemory {
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) {
    bytes = .allocate(byteCount: byteCount, alignment: 64)
    // A page that was never written costs nothing to send.
    bytes.initializeMemory(as: UInt8.self, repeating: 1)
  }

  deinit { bytes.deallocate() }
}
