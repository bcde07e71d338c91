// SPDX-License-Identifier: Apache-2.0
// epsim: predicted loads when every replica of an expert gets an equal share.

internal import MoE
public import Workloads

extension ExpertPlacement {
  /// [R] load of each rank in one layer when an expert's load is split evenly over its replicas.
  ///
  /// - Throws: `InputError` when the load has other experts or lacks the layer.
  public func uniformRankLoads(_ load: LoadHistogram, layerRow row: Int) throws -> [Double] {
    guard load.expertCount == expertCount, let loadRow = load.row(ofLayer: layers[row]) else {
      throw InputError(
        "placement \(name): the load has \(load.expertCount) experts in layers \(load.layers), "
          + "needed are \(expertCount) experts and layer \(layers[row])")
    }
    let share = zip(load.row(loadRow), replicaCounts(layerRow: row)).map {
      Double($0) / Double($1)
    }
    var loads = Array(repeating: 0.0, count: rankCount)
    for (slot, expert) in physicalToLogical[row].enumerated() {
      loads[rank(ofSlot: slot)] += share[Int(expert)]
    }
    return loads
  }

  /// Per row, mean rank load / largest rank load, 1 being perfect; 1 where there is no load.
  ///
  /// - Throws: `InputError` when the load does not fit.
  public func balancedness(_ load: LoadHistogram) throws -> [Double] {
    try layers.indices.map { row in
      let loads = try uniformRankLoads(load, layerRow: row)
      let largest = loads.max() ?? 0
      return largest > 0 ? loads.reduce(0, +) / Double(rankCount) / largest : 1
    }
  }

  /// (sum over rows of the largest rank load) / (sum of the mean), the load split evenly over
  /// replicas; 1 where there is no load.
  ///
  /// - Throws: `InputError` when the load does not fit.
  public func maxOverMean(_ load: LoadHistogram) throws -> Double {
    var (largest, mean) = (0.0, 0.0)
    for row in layers.indices {
      let loads = try uniformRankLoads(load, layerRow: row)
      largest += loads.max() ?? 0
      mean += loads.reduce(0, +) / Double(rankCount)
    }
    return mean > 0 ? largest / mean : 1
  }
}
