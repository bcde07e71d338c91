// SPDX-License-Identifier: Apache-2.0
// epsim: a placement that somebody else has solved.

internal import CostModel
internal import Workloads

/// Takes the placement from a file, which must be made for the problem's experts and ranks.
public struct FilePlacement: PlacementStrategy {
  /// The file, of any ``PlacementFormat``.
  public let path: String
  /// All layers with experts of the model: rows that a file does not number stand for these,
  /// or for the layers of the problem if there are as many.
  public let modelLayers: [Int]
  private let bytes: [UInt8]

  public init(path: String, bytes: [UInt8], modelLayers: [Int]) {
    self.path = path
    self.bytes = bytes
    self.modelLayers = modelLayers
  }

  public func place(_ problem: PlacementProblem, name: String) throws -> ExpertPlacement {
    try ExpertPlacement(
      bytes: bytes, path: path, layerLists: [modelLayers, problem.load.layers],
      expertCount: problem.load.expertCount, rankCount: problem.topology.rankCount
    ).selecting(layers: problem.load.layers, name: name)
  }
}
