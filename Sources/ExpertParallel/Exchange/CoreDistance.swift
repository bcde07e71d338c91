// SPDX-License-Identifier: Apache-2.0
// epsim: how long a cache line takes from a rank's core to another's.

internal import MPI
internal import Timing

/// The time of a cache line between the cores of a node's ranks, measured.
///
/// It tells whether two cores have a cache in common. The topology that the system shows does not:
/// a virtual machine's cores change their places under it. On an AMD EPYC (Zen 4) a line takes 25
/// to 40 ns inside a complex of cores, 160 to 190 ns between two.
final class CoreDistance {
  /// Cores are taken to share a cache where a line takes less than this, nanoseconds. Between the
  /// two ranges above; chips with one last level for all their cores are assumed to lie below.
  static let ofSharedCache = 70.0

  /// [place] nanoseconds one way; infinite to ranks that it was not measured for.
  private(set) var nanoseconds: [Double]

  private let memory: SharedMemory
  private let place: Int
  /// [owner][reader]
  private let flags: [[SharedFlag]]
  private var measurements = 0

  /// Collective over the ranks of a node.
  init(on node: borrowing Communicator) throws(MPIError) {
    let places = node.size
    place = node.rank
    memory = try SharedMemory(byteCount: places * SharedFlag.byteCount, on: node)
    let memory = memory
    flags = (0..<places).map { owner in
      (0..<places).map {
        SharedFlag(in: memory.segment(ofRank: owner), at: $0 * SharedFlag.byteCount)
      }
    }
    nanoseconds = Array(repeating: .infinity, count: places)
    nanoseconds[place] = 0
  }

  /// Leaves the memory to the end of the process. Local; for a rank that fails alone.
  func abandon() { memory.abandon() }

  /// Whether a rank's core shares a cache with this one's.
  func isNear(_ other: Int) -> Bool { nanoseconds[other] < Self.ofSharedCache }

  /// Measures all pairs, some microseconds a pair. Collective over the ranks of the node, each on a
  /// core of its own; allocates nothing.
  ///
  /// Pairs meet in the rounds of a tournament, so that no pair disturbs another (the circle
  /// method: in round r those meet whose places add up to 2 r, one place stays where it is).
  func measure() {
    measurements += 1
    let players = nanoseconds.count + nanoseconds.count % 2
    for round in 0..<max(0, players - 1) {
      let across = (2 * round - place + 2 * (players - 1)) % (players - 1)
      let other =
        place == players - 1 ? round : across == place ? players - 1 : across
      if other < nanoseconds.count { nanoseconds[other] = exchangeLines(with: other) }
    }
  }

  /// The smallest mean of some batches: a batch in which a core was taken away does not count.
  private func exchangeLines(with other: Int) -> Double {
    let (own, theirs) = (flags[place][other], flags[other][place])
    var serial = Int64(measurements * Self.batches * (Self.tripsPerBatch + 1))
    var fastest = Int64.max
    for _ in 0..<Self.batches {
      var start: Int64 = 0
      for trip in 0...Self.tripsPerBatch {
        serial += 1
        if place < other { own.store(serial) }
        theirs.wait(until: serial)
        if place > other { own.store(serial) }
        // Only from here on both are known to be there.
        if trip == 0 { start = MonotonicClock.now() }
      }
      fastest = min(fastest, MonotonicClock.now() - start)
    }
    return Double(fastest) / Double(2 * Self.tripsPerBatch)
  }

  private static let batches = 4
  private static let tripsPerBatch = 16
}
