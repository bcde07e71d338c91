// SPDX-License-Identifier: Apache-2.0
// epsim: balances what ranks have to do on average and how much it varies.

internal import CostModel
internal import MoE
internal import Workloads

/// Balances mean + z standard deviations of each rank's load over windows.
///
/// Experts that are hot together make a rank's load vary more than each alone: the variance of a
/// rank holds their covariances, because it is taken of the rank's own load in every window.
/// Replicas go to the experts with the largest mean + z deviation per replica; they are packed by
/// falling share, each onto a rank that lacks its expert and ends with the smallest value, over the
/// rank's speed. Loads are Float64; equal values by rising index.
/// Source: github.com/vllm-project/vllm-ascend and sgl-project/sglang, `FlashLB` in its form of mean
/// and variance, without its search over other replica counts.
public struct MeanVariancePlacement: PlacementStrategy {
  /// Standard deviations that count as load.
  public let z: Double

  public init(z: Double) {
    self.z = z
  }

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    let windows = try problem.windowLoads(for: name)
    try problem.requireDistinctRoom(for: name)
    let (load, room) = (problem.load, problem.room)
    return try ExpertPlacement(
      name: name, layers: load.layers, expertCount: load.expertCount,
      slotOffsets: problem.slotOffsets,
      physicalToLogical: load.layers.indices.map { row in
        let loads = (0..<load.expertCount).map { expert in
          windows.map { Double($0.counts[row * load.expertCount + expert]) }
        }
        return place(loads, room: room, speeds: problem.speeds)
      })
  }

  /// [P] expert of each slot of one layer; `loads` [E][windows].
  private func place(_ loads: [[Double]], room: [Int], speeds: [Double]) -> [Int32] {
    let risks = loads.map { risk(ofSum: $0, and: nil) }
    let counts = DistinctReplication(loads: risks, room: room)
    let shares = zip(loads, counts.replicaCounts).map { load, count in
      load.map { $0 / Double(count) }
    }
    let order = counts.fallingOrder(of: zip(risks, counts.replicaCounts).map { $0 / Double($1) })
    var packing = DistinctPacking(room: room, expertCount: loads.count)
    var sums = room.map { _ in Array(repeating: 0.0, count: loads[0].count) }
    for expert in order {
      let share = shares[Int(expert)]
      let moves = packing.place(expert) { risk(ofSum: sums[$0], and: share) / speeds[$0] }
      for move in moves {
        for (window, share) in shares[Int(move.expert)].enumerated() {
          if let from = move.from { sums[from][window] -= share }
          sums[move.to][window] += share
        }
      }
    }
    return packing.held.flatMap { $0 }
  }

  /// Mean + z standard deviations over windows of one load, or of two together.
  private func risk(ofSum load: [Double], and other: [Double]?) -> Double {
    let count = Double(load.count)
    var (sum, squares) = (0.0, 0.0)
    // Against the first window, so that squares of large loads do not swallow small differences.
    let origin = load[0] + (other?[0] ?? 0)
    for window in load.indices {
      let difference = load[window] + (other?[window] ?? 0) - origin
      sum += difference
      squares += difference * difference
    }
    let variance = max(0, squares / count - (sum / count) * (sum / count))
    return origin + sum / count + z * variance.squareRoot()
  }
}
