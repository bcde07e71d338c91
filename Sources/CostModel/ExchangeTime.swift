// SPDX-License-Identifier: Apache-2.0
// epsim: how long an exchange takes, rank by rank.

/// How the two levels of an exchange follow one another.
public enum ExchangeHops: String, Sendable, CaseIterable, Codable {
  /// Inside nodes and between them at once: the slower decides.
  case pipelined
  /// First between nodes, then inside them: a rank goes on when its node has got everything.
  case summed
}

/// The time of one direction of an exchange when all ranks enter it at once.
///
/// Times of a rank are those that its ports need, shared ones included, in two parts: `startUp`,
/// which a message costs whatever its size, and `travel`, which follows from bytes.
public struct ExchangeTime: Sendable {
  /// [R] s.
  public internal(set) var startUp: [Double]
  /// [R] s.
  public internal(set) var travel: [Double]
  /// The last rank's time.
  public internal(set) var total: Seconds = .zero
  /// What decides it.
  public internal(set) var binding: BindingLimit = .nothing
  /// The part of ``total`` that the binding limit needs for its bytes; for ``BindingLimit/latency``
  /// all start-up times.
  public internal(set) var bindingTime: Seconds = .zero

  /// An exchange that takes no time.
  public init(rankCount: Int) {
    startUp = Array(repeating: 0, count: rankCount)
    travel = Array(repeating: 0, count: rankCount)
  }

  /// An exchange that was computed or measured elsewhere.
  ///
  /// Shapes: `startUp`, `travel` [R]. What binds is not told where it is not known.
  /// - Precondition: these shapes.
  public init(startUp: [Seconds], travel: [Seconds], binding: BindingLimit = .nothing) {
    precondition(
      startUp.count == travel.count, "\(startUp.count) start-up times, \(travel.count) of travel")
    self.startUp = startUp.map(\.value)
    self.travel = travel.map(\.value)
    total = perRank.max() ?? .zero
    self.binding = binding
    bindingTime = travel.max() ?? .zero
  }

  /// Lets bytes take a multiple of the time that ports need for them: a schedule that is not the best.
  /// - Precondition: `factor` is at least 1.
  public mutating func stretch(by factor: Double) {
    precondition(factor >= 1, "\(factor) times as long as the bound")
    guard factor > 1 else { return }
    for rank in travel.indices { travel[rank] *= factor }
    if binding != .latency { bindingTime = bindingTime * factor }
    total = perRank.max() ?? .zero
  }

  /// Adds time that a rank spends in the exchange besides what its ports need: copies of what stays
  /// there.
  public mutating func add(_ time: Seconds, ofRank rank: Int) {
    travel[rank] += time.value
    total = max(total, self[rank])
  }

  /// R.
  public var rankCount: Int { startUp.count }

  /// The time that a rank's ports need.
  public subscript(rank: Int) -> Seconds { Seconds(startUp[rank] + travel[rank]) }
  /// [R] the time that each rank's ports need.
  public var perRank: [Seconds] { startUp.indices.map { self[$0] } }
}
