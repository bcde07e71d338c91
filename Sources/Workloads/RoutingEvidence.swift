// SPDX-License-Identifier: Apache-2.0
// epsim: what is known of the tokens that a placement is fitted to, or judged on.

internal import MoE

/// The routing of some tokens, window by window and layer by layer.
///
/// A window is a batch or several: what a placement meets at once. Several windows tell what
/// varies from what stays.
public struct RoutingEvidence: Sendable, Equatable {
  /// Layers in the model's numbering, ascending.
  public let layers: [Int]
  /// [windows][rows] tokens.
  public let windows: [[RoutingBundles]]

  public var rankCount: Int { windows[0][0].rankCount }
  public var expertCount: Int { windows[0][0].expertCount }

  /// The given windows.
  /// - Precondition: at least one window; in each a row for every layer, all of equal R and E.
  public init(layers: [Int], windows: [[RoutingBundles]]) {
    precondition(
      !windows.isEmpty && !layers.isEmpty && windows.allSatisfy { $0.count == layers.count },
      "\(windows.count) windows of \(layers.count) layers")
    self.layers = layers
    self.windows = windows
  }

  /// What a source routes in some steps, cut into windows of about as many steps each.
  ///
  /// - Parameters:
  ///   - windowCount: at most as many windows as steps are made.
  ///   - rankOfPosition: the rank of each position of a step, [T].
  /// - Precondition: the source has every layer; at least one step.
  public init(
    source: any RoutingSource, layers: [Int], steps: Range<Int>, windowCount: Int,
    rankCount: Int, rankOfPosition: (_ step: Int) throws -> [Int32]
  ) rethrows {
    let count = min(windowCount, steps.count)
    let windows = try (0..<count).map { window in
      let first = steps.lowerBound + window * steps.count / count
      let end = steps.lowerBound + (window + 1) * steps.count / count
      return try layers.map { layer in
        try RoutingBundles(
          source: source, layer: layer, steps: first..<end, rankCount: rankCount,
          rankOfPosition: rankOfPosition)
      }
    }
    self.init(layers: layers, windows: windows)
  }

  /// The load of all windows together.
  public var load: LoadHistogram {
    LoadHistogram(layers: layers, sum: windows.indices.map { load(ofWindow: $0) })
  }

  /// The load of one window.
  public func load(ofWindow window: Int) -> LoadHistogram {
    LoadHistogram(layers: layers, rows: windows[window].map(\.load))
  }
}
