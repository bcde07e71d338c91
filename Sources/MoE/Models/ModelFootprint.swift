// SPDX-License-Identifier: Apache-2.0
// epsim: how many bytes of a model a rank holds, and of a context its cache.

/// What a rank holds when the experts are spread over ranks and everything else is on each.
public struct ModelFootprint: Sendable, Equatable {
  /// R, the ranks.
  public let ranks: Int
  /// Most routed experts of a layer on one rank, copies counted.
  public let expertsPerRank: Int
  /// Weights of those experts in all layers.
  public let routedWeights: Int
  /// Weights of everything else, the same on every rank.
  public let otherWeights: Int

  /// - Parameter slots: slots of the fullest rank, the same in every layer; by default the experts
  ///   without copies are spread evenly, E / R rounded up.
  public init(_ model: ModelShape, ranks: Int, slots: Int? = nil) {
    self.ranks = ranks
    expertsPerRank = slots ?? (model.expertCount + ranks - 1) / ranks
    let perExpert = model.moeLayers.count * model.expertParameterCount
    routedWeights = expertsPerRank * perExpert
    otherWeights = ParameterCount(model).total - model.expertCount * perExpert
  }

  /// Bytes at so many bits a weight; scales of quantised weights are not counted.
  public func bytes(bits: Int) -> Int {
    let weights = routedWeights + otherWeights
    return weights / 8 * bits + weights % 8 * bits / 8
  }
}

/// The memory of a context: what attention keeps of every token, and states of constant size.
public struct ContextCache: Sendable, Equatable {
  /// Values per token in layers that keep all tokens.
  public let valuesPerToken: Int
  /// Values per token in layers with a window, by window, ascending.
  public let windows: [(size: Int, valuesPerToken: Int)]
  /// Values of states that do not grow with the context.
  public let stateValues: Int

  public init(_ model: ModelShape) {
    var all = 0
    var windowed: [Int: Int] = [:]
    var states = 0
    for block in model.attention {
      let perToken = block.layers * block.cachedValuesPerToken
      if let window = block.cacheWindow {
        windowed[window, default: 0] += perToken
      } else {
        all += perToken
      }
      states += block.layers * block.stateValues
    }
    valuesPerToken = all
    windows = windowed.sorted { $0.key < $1.key }.map { (size: $0.key, valuesPerToken: $0.value) }
    stateValues = states
  }

  /// Values after so many tokens.
  public func values(tokens: Int) -> Int {
    windows.reduce(tokens * valuesPerToken + stateValues) {
      $0 + min(tokens, $1.size) * $1.valuesPerToken
    }
  }

  public static func == (a: ContextCache, b: ContextCache) -> Bool {
    a.valuesPerToken == b.valuesPerToken && a.stateValues == b.stateValues
      && a.windows.elementsEqual(b.windows, by: ==)
  }
}
