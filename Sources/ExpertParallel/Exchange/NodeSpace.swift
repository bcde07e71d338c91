// SPDX-License-Identifier: Apache-2.0
// epsim: the buffers and notices that the ranks of a node share.

internal import CostModel
internal import Kernels
internal import MPI
internal import MoE

/// The buffers of a rank that others of its node write into.
enum SharedBuffer: Int, CaseIterable {
  /// ``LayerBuffers/groupedRows``
  case grouped
  /// ``LayerBuffers/receivedRows``
  case received
  /// ``LayerBuffers/combinedRows``
  case combined
  /// ``LayerBuffers/fannedOutRows``
  case fannedOut
}

/// Memory that the ranks of a node share: their buffers, and what they tell each other about them.
///
/// Every page is touched by its owner first, so that it lies in the owner's memory node.
final class NodeSpace {
  /// Ranks of this node, ascending.
  let ranks: [Int]
  /// This rank's place among ``ranks``.
  let place: Int
  /// What the ranks tell each other.
  let board: NodeBoard

  private let memory: SharedMemory
  private let stage: RowStage
  /// Nil where ranks share cores: they would wait for each other's turns.
  private let distance: CoreDistance?
  /// [ranks][SharedBuffer] where each buffer starts in its owner's segment.
  private let offsets: [[Int]]

  /// Shares the buffers of a node's ranks. Collective.
  ///
  /// - Parameters:
  ///   - sizes: bytes of each ``SharedBuffer`` of this rank.
  ///   - rowBytes: bytes of the longest row that is written into another's buffer.
  ///   - slotCount: the most slots of a case, over all ranks.
  /// - Throws: an agreed error on every rank where a node's memory does not suffice.
  init(
    sizes: [Int], rowBytes: Int, slotCount: Int, topology: Topology, on comm: borrowing Communicator
  ) throws {
    stage = RowStage(rowBytes: rowBytes)
    let node = try comm.split(color: topology.nodeOfRank[comm.rank], key: comm.rank)!
    ranks = topology.nodeOfRank.indices.filter {
      topology.nodeOfRank[$0] == topology.nodeOfRank[comm.rank]
    }
    place = node.rank
    var own: [Int] = []
    var total = 0
    for size in sizes {
      own.append(total)
      total += (size + 4095) / 4096 * 4096
    }
    let all = try node.allGather(own)
    offsets = stride(from: 0, to: all.count, by: sizes.count).map {
      Array(all[$0..<$0 + sizes.count])
    }
    // A node may have room where another has none.
    let hasOwnCores = try !UsableCores(on: comm).areExceeded(threads: 1)
    let shared = Result {
      (
        try SharedMemory(byteCount: total, on: node),
        try NodeBoard(rankCount: comm.size, slotCount: slotCount, on: node),
        hasOwnCores ? try CoreDistance(on: node) : nil
      )
    }
    do {
      (memory, board, distance) = try comm.agree { try shared.get() }
    } catch let error as AgreedError {
      throw InputError(
        "the ranks cannot share memory, use a --transport without shm: \(error.message)")
    }
  }

  /// Leaves the memory to the end of the process. Local; for a rank that fails alone.
  func abandon() {
    memory.abandon()
    board.abandon()
    distance?.abandon()
  }

  /// Finds out which ranks' cores share a cache. Collective over the node; between steps.
  func measureDistances() { distance?.measure() }

  /// What writes into the buffers of a rank of this node: straight where it shares a cache.
  func writer(toPlace other: Int) -> RowWriter {
    let isNear = other == place || distance?.isNear(other) ?? false
    return isNear ? .direct : .streaming(stage)
  }

  /// A buffer of a rank of this node, at this process's address.
  func buffer(_ buffer: SharedBuffer, ofPlace place: Int) -> UnsafeMutableRawPointer {
    memory.segment(ofRank: place).baseAddress! + offsets[place][buffer.rawValue]
  }
}
