// SPDX-License-Identifier: Apache-2.0
// epsim: which stamps a step consists of, and where each lies.

/// The stamps of one layer, in the order in which they are taken.
///
/// The first and the last are taken outside the layer, so that its wall time is read apart from its
/// phases. An exchange has two stamps inside: ``dispatchEntered`` after the barrier of barrier
/// timing (right after the entry otherwise), ``dispatchArrived`` once all rows of other ranks are
/// there; what follows until its end is the copy of the rank's own rows.
public enum LayerStamp: Int, Sendable, CaseIterable {
  case layerStart, begin, route, plan, pack
  case dispatchEntered, dispatchArrived, dispatch
  case group, expert, shared, ungroup
  case combineEntered, combineArrived, combine
  case reduce, layerEnd
}

/// Where the stamps of a step lie: the step's start, the stamps of each layer, the step's end.
public struct StampLayout: Sendable, Equatable {
  /// Layers of a step.
  public let layerCount: Int
  /// Stamps of one layer.
  static let stampsPerLayer = LayerStamp.allCases.count
  /// Stamps of one step.
  public var stampsPerStep: Int { 2 + layerCount * Self.stampsPerLayer }

  public init(layerCount: Int) { self.layerCount = layerCount }

  /// Index of a stamp within its step.
  public func index(of stamp: LayerStamp, layer: Int) -> Int {
    1 + layer * Self.stampsPerLayer + stamp.rawValue
  }

  /// Index of the step's end.
  var stepEnd: Int { stampsPerStep - 1 }

  /// What a rank that has taken so many stamps of a step is doing.
  ///
  /// - Returns: the layer's index and its phase; nil before the first and after the last layer.
  public func activity(afterStamps count: Int) -> (layer: Int, phase: Phase)? {
    let index = count - 1
    guard count > 0, index < layerCount * Self.stampsPerLayer else { return nil }
    let (layer, stamp) = index.quotientAndRemainder(dividingBy: Self.stampsPerLayer)
    let phase = Phase.allCases.first { $0.endStamp.rawValue >= stamp }
    return phase.map { (layer, $0) }
  }
}

extension Phase {
  /// The stamp that ends this phase.
  public var endStamp: LayerStamp {
    switch self {
    case .route: .route
    case .plan: .plan
    case .pack: .pack
    case .dispatch: .dispatch
    case .group: .group
    case .expert: .expert
    case .shared: .shared
    case .ungroup: .ungroup
    case .combine: .combine
    case .reduce: .reduce
    }
  }

  /// The stamp that it starts with: the end of the phase before.
  public var startStamp: LayerStamp {
    Phase(rawValue: rawValue - 1)?.endStamp ?? .begin
  }
}

extension Phase.Exchange {
  /// The stamp after the barrier of barrier timing.
  var enteredStamp: LayerStamp { self == .dispatch ? .dispatchEntered : .combineEntered }
  /// The stamp once the rows of other ranks are there.
  var arrivedStamp: LayerStamp { self == .dispatch ? .dispatchArrived : .combineArrived }
}
