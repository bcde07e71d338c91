// SPDX-License-Identifier: Apache-2.0
// epsim: what a barrier costs where nobody is late.

internal import MPI
internal import Timing

extension Communicator {
  /// Median time of a barrier that all ranks enter together, nanoseconds, the largest over ranks;
  /// measured. Collective.
  func measuredBarrierCost() throws(MPIError) -> Int64 {
    var times: [Int64] = []
    // The first barriers gather the ranks and open connections.
    for round in 0..<110 {
      let start = MonotonicClock.now()
      try barrier()
      if round >= 10 { times.append(MonotonicClock.now() - start) }
    }
    return try allReduce(times.sorted()[times.count / 2], .max)
  }
}
