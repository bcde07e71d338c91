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
///
/// Where the completions of partners are known, the stamps of a layer that are taken in order are
/// followed, for dispatch and then for combine, by R completions and one stamp that lies the largest
/// poll gap after the arrival: a duration that survives the alignment of clocks.
///
/// Where an exchange runs beside compute, the stamps of a layer end with its flights: for dispatch and
/// then for combine, when the first message set off and when the last was seen complete.
public struct StampLayout: Sendable, Equatable {
  /// Layers of a step.
  public let layerCount: Int
  /// Ranks whose completions each exchange records, R; 0 where exchanges are collectives.
  public let partnerCount: Int
  /// Whether the flights of exchanges are recorded.
  public let hasFlights: Bool
  /// Stamps of one layer that are taken in order.
  static let stampsPerLayer = LayerStamp.allCases.count
  /// All stamps of one layer.
  var layerStride: Int {
    // Two exchanges; `allCases` might allocate within a step.
    offsetOfFlights + (hasFlights ? 4 : 0)
  }
  private var offsetOfFlights: Int {
    Self.stampsPerLayer + (partnerCount > 0 ? 2 * exchangeStride : 0)
  }
  /// Completions and poll gap of one exchange.
  private var exchangeStride: Int { partnerCount + 1 }
  /// Stamps of one step.
  public var stampsPerStep: Int { 2 + layerCount * layerStride }
  /// Stamps of one step that are taken in order.
  var orderedStampsPerStep: Int { 2 + layerCount * Self.stampsPerLayer }

  public init(layerCount: Int, partnerCount: Int = 0, hasFlights: Bool = false) {
    self.layerCount = layerCount
    self.partnerCount = partnerCount
    self.hasFlights = hasFlights
  }

  /// Index of a stamp within its step.
  public func index(of stamp: LayerStamp, layer: Int) -> Int {
    1 + layer * layerStride + stamp.rawValue
  }

  /// Index of the first completion of an exchange within its step; those of the other partners
  /// follow, then the poll gap.
  /// - Precondition: completions are recorded.
  public func firstCompletion(of exchange: Phase.Exchange, layer: Int) -> Int {
    precondition(partnerCount > 0, "the layout has no completions")
    return 1 + layer * layerStride + offsetOfCompletions(exchange)
  }

  /// Index of the first completion of an exchange within its layer.
  func offsetOfCompletions(_ exchange: Phase.Exchange) -> Int {
    Self.stampsPerLayer + (exchange == .dispatch ? 0 : exchangeStride)
  }

  /// Index of the start of an exchange's flight within its step; its end follows.
  /// - Precondition: flights are recorded.
  public func startOfFlight(of exchange: Phase.Exchange, layer: Int) -> Int {
    precondition(hasFlights, "the layout has no flights")
    return 1 + layer * layerStride + offsetOfFlight(exchange)
  }

  /// Index of the start of an exchange's flight within its layer.
  func offsetOfFlight(_ exchange: Phase.Exchange) -> Int {
    offsetOfFlights + (exchange == .dispatch ? 0 : 2)
  }

  /// Whether the stamp at an index of a step is one of those that are taken in order: those that
  /// ascend on a sound clock.
  public func isOrdered(_ index: Int) -> Bool {
    index == 0 || index == stepEnd || (index - 1) % layerStride < Self.stampsPerLayer
  }

  /// Index of the step's end.
  var stepEnd: Int { stampsPerStep - 1 }

  /// What a rank that has taken so many stamps of a step in order is doing; completions do not
  /// count.
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
