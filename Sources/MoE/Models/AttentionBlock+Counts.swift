// SPDX-License-Identifier: Apache-2.0
// epsim: parameters and cache of an attention block.

extension AttentionBlock {
  /// Whether a state of constant size stands in the place of attention.
  public var isState: Bool {
    switch kind {
    case .grouped, .latent, .cross, .compressed: false
    case .gatedDelta, .kimiDelta, .mamba, .mamba2: true
    }
  }

  /// Parameters of one layer, its own norms and biases included.
  public func parameterCount(hidden: Int) -> Int {
    switch kind {
    case .grouped(let heads, let keyValueHeads, let headSize, let details):
      return Self.grouped(hidden, heads, keyValueHeads, headSize, details)
    case .cross(let heads, let keyValueHeads, let headSize):
      return Self.grouped(hidden, heads, keyValueHeads, headSize, GroupedDetails())
    case .latent(
      let heads, let queryRank, let keyValueRank, let rope, let nope, let value, let details):
      // arXiv:2405.04434, section 2.1: down- and up-projections with a norm on each latent vector.
      let queryWidth = heads * (nope + rope)
      let query = queryRank.map { hidden * $0 + $0 + $0 * queryWidth } ?? hidden * queryWidth
      let keyValue =
        hidden * (keyValueRank + rope) + keyValueRank + keyValueRank * heads * (nope + value)
      // The indexer: queries from the latent vector, one key with its norm, a weight per head.
      let index =
        details.indexHeads * details.indexSize * (queryRank ?? hidden)
        + details.indexSize * (hidden + 2) + details.indexHeads * hidden
      let gate = details.hasOutputGate ? hidden * heads * value : 0
      return query + keyValue + gate + heads * value * hidden
        + (details.indexHeads > 0 ? index : 0)
    case .compressed(
      let heads, let headSize, let queryRank, let groups, let rank, let ratio, let indexHeads,
      let indexSize):
      let query = hidden * queryRank + queryRank + queryRank * heads * headSize
      let output = heads * headSize * rank + groups * rank * hidden
      // Neighbouring compressed tokens overlap where the ratio is small.
      let overlap = ratio <= 4 ? 2 : 1
      func compressor(_ size: Int) -> Int { 2 * overlap * size * hidden + overlap * ratio * size }
      let index =
        queryRank * indexHeads * indexSize + hidden * indexHeads + compressor(indexSize)
      return query + hidden * headSize + headSize + output + heads
        + (ratio > 0 ? compressor(headSize) : 0) + (indexHeads > 0 ? index : 0)
    case .gatedDelta(let keyHeads, let valueHeads, let keySize, let valueSize, let convolution):
      let (keys, values) = (keyHeads * keySize, valueHeads * valueSize)
      // Queries, keys, values, output gate; two gates per value head; convolution; output.
      return hidden * (2 * keys + 2 * values) + hidden * 2 * valueHeads
        + convolution * (2 * keys + values) + 2 * valueHeads + valueSize + values * hidden
    case .kimiDelta(let heads, let headSize, let convolution):
      let width = heads * headSize
      // Queries, keys, values, gate, output; the decay through a narrow pair; a rate per head.
      return 5 * hidden * width + (hidden + width) * headSize + hidden * heads
        + 3 * width * convolution + width + heads + headSize
    case .mamba(let inner, let state, let stepRank, let convolution):
      return hidden * 2 * inner + inner * (convolution + 1) + inner * (stepRank + 2 * state)
        + stepRank * inner + inner + inner * state + inner + stepRank + 2 * state + inner * hidden
    case .mamba2(let heads, let headSize, let groups, let state, let convolution):
      let inner = heads * headSize
      let convolved = inner + 2 * groups * state
      return hidden * (inner + convolved + heads) + convolved * (convolution + 1) + 3 * heads
        + inner + inner * hidden
    }
  }

  private static func grouped(
    _ hidden: Int, _ heads: Int, _ keyValueHeads: Int, _ headSize: Int, _ details: GroupedDetails
  ) -> Int {
    let valueSize = details.valueSize ?? headSize
    let (queries, keys) = (heads * headSize, keyValueHeads * headSize)
    let values = details.sharesKeysAndValues ? 0 : keyValueHeads * valueSize
    let gate = details.hasOutputGate ? heads * valueSize : 0
    let biases =
      switch details.biases {
      case .none: 0
      case .inputs: queries + keys + values
      case .all: queries + keys + values + hidden
      }
    let norms =
      switch details.norm {
      case .none: 0
      case .head: 2 * headSize
      case .all: queries + keys
      }
    return hidden * (queries + keys + values + gate) + heads * valueSize * hidden + biases + norms
  }

  /// Values that one layer keeps for every token of the context; 0 where its state is constant.
  public var cachedValuesPerToken: Int {
    switch kind {
    case .grouped(_, let keyValueHeads, let headSize, let details):
      details.sharesKeysAndValues
        ? keyValueHeads * headSize : keyValueHeads * (headSize + (details.valueSize ?? headSize))
    case .cross(_, let keyValueHeads, let headSize): 2 * keyValueHeads * headSize
    case .latent(_, _, let keyValueRank, let ropeSize, _, _, let details):
      keyValueRank + ropeSize + (details.indexHeads > 0 ? details.indexSize : 0)
    case .compressed(_, let headSize, _, _, _, let ratio, let indexHeads, let indexSize):
      ratio == 0 ? headSize : (headSize + (indexHeads > 0 ? indexSize : 0)) / ratio
    case .gatedDelta, .kimiDelta, .mamba, .mamba2: 0
    }
  }

  /// Values of one layer's state that does not grow with the context: recurrent state and the
  /// inputs that its convolution still needs.
  public var stateValues: Int {
    switch kind {
    case .grouped, .cross, .latent: 0
    // The window of uncompressed tokens beside the compressed ones.
    case .compressed(_, let headSize, _, _, _, let ratio, _, _):
      ratio == 0 ? 0 : (window ?? 0) * headSize
    case .kimiDelta(let heads, let headSize, let convolution):
      heads * headSize * headSize + (convolution - 1) * 3 * heads * headSize
    case .gatedDelta(let keyHeads, let valueHeads, let keySize, let valueSize, let convolution):
      valueHeads * keySize * valueSize
        + (convolution - 1) * (2 * keyHeads * keySize + valueHeads * valueSize)
    case .mamba(let inner, let state, _, let convolution): inner * (state + convolution - 1)
    case .mamba2(let heads, let headSize, let groups, let state, let convolution):
      heads * headSize * state + (convolution - 1) * (heads * headSize + 2 * groups * state)
    }
  }
}

extension AttentionBlock {
  /// The last tokens whose values the cache keeps; nil where it keeps all, and for a state.
  public var cacheWindow: Int? {
    if case .compressed(_, _, _, _, _, let ratio, _, _) = kind, ratio > 0 { return nil }
    return isState ? nil : window
  }
}
