// SPDX-License-Identifier: Apache-2.0
// epsim: what every exchange engine does for a layer, step by step.

internal import CostModel
internal import Kernels
internal import MPI
internal import MoE
internal import Timing

/// Proof that a dispatch took place; combine consumes it, so no way back is used twice.
struct DispatchHandle: ~Copyable {
  /// Rows that this rank's experts get.
  let receivedRows: Int

  /// Uses it up for the results of these rows.
  /// - Precondition: it is of their dispatch.
  consuming func use(for arrived: ArrivedRows) {
    precondition(
      receivedRows == arrived.rowCount,
      "the handle is of \(receivedRows) rows, the exchange of \(arrived.rowCount)")
  }
}

/// One way to bring rows to their experts and results back, of one case on one rank.
///
/// A layer calls the functions in the order in which they stand here; layers run one after the
/// other and share the engine. Rows are read from ``LayerBuffers/normalised``, experts read
/// ``LayerBuffers/groupedRows`` and write ``LayerBuffers/expertOutput``. Nothing here allocates
/// after `init`.
protocol LayerExchange: AnyObject {
  /// What left this rank since it was last cleared.
  var volume: ExchangeVolume { get set }
  /// The rows at this rank's experts.
  var arrived: ArrivedRows { get }

  /// Decides which copies travel. Local; belongs to the phase `plan`.
  func prepare(_ plan: DispatchPlan, _ decision: borrowing RoutingDecision) throws(MPIError)
  /// Writes the blocks that MPI will carry. Local.
  func pack()
  /// Counts, then rows of other ranks to their experts' ranks. Collective.
  /// - Throws: ``ExchangeDisagreement`` where the ranks do not agree on what is to be sent, or where
  ///   more rows than there is room for would arrive.
  func dispatch(layer: Int, on comm: borrowing Communicator) throws -> DispatchHandle
  /// Copies what this rank dispatches to itself. Local.
  func copyOwnRows()
  /// Brings arrived rows to their experts. Local.
  func group() throws(ExchangeDisagreement)
  /// Brings results into the order in which they return. Local.
  func ungroup()
  /// Results back to the ranks of their tokens. Collective.
  func combine(
    _ handle: consuming DispatchHandle, on comm: borrowing Communicator
  ) throws
  /// Copies the results of this rank's own rows. Local.
  func copyOwnResults()
  /// Hands over when each partner's rows were complete, where the engine knows it. Local.
  func recordCompletions(_ way: Phase.Exchange, into recorder: inout SpanRecorder)
  /// What the tokens add up. Local.
  ///
  /// - Parameter weights: [T, topK] those of the decision.
  func returned(weights: UnsafePointer<Float>, topK: Int) -> ReturnedRows
}

extension LayerExchange {
  func recordCompletions(_ way: Phase.Exchange, into recorder: inout SpanRecorder) {}
}

/// What brings the rows of a case to their experts and back.
enum LayerEngine {
  /// One exchange each way.
  case whole(any LayerExchange)
  /// An exchange each way for every chunk of tokens.
  case chunked(ChunkedExchange)

  /// What left this rank since it was last cleared.
  var volume: ExchangeVolume {
    switch self {
    case .whole(let exchange): exchange.volume
    case .chunked(let exchange): exchange.volume
    }
  }

  func clearVolume() {
    switch self {
    case .whole(let exchange): exchange.volume = ExchangeVolume()
    case .chunked(let exchange): exchange.volume = ExchangeVolume()
    }
  }
}

/// What an engine is made for.
struct ExchangeSetting {
  let scheme: ExchangeScheme
  let topology: Topology
  /// [R + 1] slots of rank r are `slotOffsets[r] ..< slotOffsets[r + 1]`.
  let slotOffsets: [Int]
  let rank: Int
  let hidden: Int
  let elementType: ElementType
  /// Choices of a token.
  let choiceWidth: Int
  var bounds: RowBounds
  let buffers: LayerBuffers
  /// What the node shares; nil where no case needs it.
  let space: NodeSpace?
  /// Tells the counts of engines apart that are used in turn; an engine may use as many from here on
  /// as there may be chunks.
  var channel = 0

  var rankCount: Int { topology.rankCount }
  /// The most choices of a step.
  var assignmentCapacity: Int { bounds.tokens * choiceWidth }

  /// Whether two ranks live on different nodes.
  func leavesNode(to peer: Int) -> Bool {
    topology.nodeOfRank[peer] != topology.nodeOfRank[rank]
  }

  /// Bytes of a result row.
  var resultBytes: Int { hidden * scheme.combineWire.byteCount }

  /// Counts the blocks that leave this rank.
  func count(_ parts: Partition, rowBytes: Int, in way: inout ExchangeVolume.Way) {
    count(in: &way) { (parts[$0].count, parts[$0].count * rowBytes) }
  }

  /// Counts a block for every other rank.
  func count(
    in way: inout ExchangeVolume.Way, _ block: (_ peer: Int) -> (rows: Int, bytes: Int)
  ) {
    for peer in 0..<rankCount where peer != rank {
      let (rows, bytes) = block(peer)
      way.add(rows: rows, bytes: bytes, leavesNode: leavesNode(to: peer))
    }
  }

  /// Copies what a rank keeps from one place to another.
  func copyOwn(
    _ sources: Partition, of rows: UnsafeRawPointer, to targets: Partition,
    of result: UnsafeMutableRawPointer, rowBytes: Int
  ) {
    let own = sources[rank]
    (result + targets[rank].lowerBound * rowBytes).copyMemory(
      from: rows + own.lowerBound * rowBytes, byteCount: own.count * rowBytes)
  }

  /// Refuses more rows than the buffers hold.
  func requireRoom(forRows rows: Int, layer: Int) throws(ExchangeDisagreement) {
    guard rows <= bounds.receivedRows else {
      throw ExchangeDisagreement(
        description: "rank \(rank) is about to receive \(rows) rows in layer \(layer), it has "
          + "room for \(bounds.receivedRows)")
    }
  }

  /// The rows that this rank sends.
  func outgoing() -> OutgoingRows {
    OutgoingRows(
      scheme: scheme, hidden: hidden,
      copies: scheme.targetOfRank(seenFrom: rank, topology).map {
        CopyPlan(
          targetOfRank: $0, slotOffsets: slotOffsets,
          entriesPerCopy: scheme.entriesPerCopy(
            topology, slotOffsets: slotOffsets, choiceWidth: choiceWidth),
          assignmentCapacity: assignmentCapacity,
          copyCapacity: min(bounds.sentRows, bounds.tokens * Set($0).count))
      },
      rows: UnsafePointer(buffers.normalised), assignmentCapacity: assignmentCapacity)
  }

  /// The rows at this rank's experts.
  func arrivals(_ outgoing: OutgoingRows) throws(MPIError) -> ArrivedRows {
    ArrivedRows(
      try CountExchange(
        slotOffsets: slotOffsets, rank: rank,
        sparseFrom: scheme.transport == .pointToPoint ? SparseCounts.fewestRanks : nil,
        channel: channel),
      firstSlot: slotOffsets[rank],
      scheme: scheme, hidden: hidden, elementType: elementType, unitBytes: outgoing.unitBytes,
      entriesPerCopy: outgoing.copies?.entriesPerCopy, rowCapacity: bounds.receivedRows,
      unitCapacity: scheme.transport == .allGather ? bounds.allTokens : bounds.receivedRows)
  }

  /// The engine of the scheme. Local.
  func engine() throws(MPIError) -> LayerEngine {
    scheme.chunks > 1 ? .chunked(try ChunkedExchange(self)) : .whole(try exchange())
  }

  private func exchange() throws(MPIError) -> any LayerExchange {
    switch scheme.transport {
    case .padded: return try PaddedExchange(self)
    case .allGather: return try AllGatherExchange(self)
    default: break
    }
    let shared = scheme.transport.sharesMemory ? space! : nil
    guard scheme.dedup == .node else {
      if let shared { return try SharedExchange(self, space: shared, transport: messages()) }
      return try RankExchange(self, transport: messages())
    }
    let local: any RowTransport =
      if let shared {
        SharedTransport(shared, dispatchInto: .received, combineInto: .fannedOut)
      } else {
        messages()
      }
    return try NodeExchange(self, transport: messages(), local: local)
  }

  /// How blocks travel between nodes.
  private func messages() -> any RowTransport {
    scheme.transport.betweenNodes == .pointToPoint
      ? PointToPointTransport(rankCount: rankCount) : AllToAllVTransport()
  }
}
