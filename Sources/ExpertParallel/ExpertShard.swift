// SPDX-License-Identifier: Apache-2.0
// epsim: the packed weights that one rank holds.

internal import Kernels
internal import MoE
internal import Placement

/// The weights that a rank computes with: its experts of every case, shared experts, router.
///
/// In a comparison it holds the union of the experts that the cases put on this rank, so that the
/// cases can be interleaved. A weight is generated, packed and forgotten, expert by expert: the
/// unpacked source never exists for more than one expert.
final class ExpertShard {
  /// The FFN of a routed expert, for all experts; nil where no case computes.
  let expertFFN: ExpertFFN?
  /// The shared experts as one FFN; nil where the model has none or no case computes.
  private let sharedFFN: ExpertFFN?
  /// The gate product [H] -> [E]; nil where choices come from a workload.
  let routerProduct: LinearProduct?

  /// Those that this rank holds.
  var experts: [ShardKey: ExpertFFN.Weights] = [:]
  private var sharedExperts: [Int: ExpertFFN.Weights] = [:]
  private var routers: [Int: PackedWeights] = [:]
  let weights: ModelWeights
  private let elementType: ElementType

  /// Prepares the products and packs what every case shares; experts follow with ``hold(_:)``.
  init(_ configuration: RunConfiguration, context: KernelContext) throws {
    let model = configuration.model
    weights = configuration.weights
    elementType = configuration.elementType
    func prepared(_ innerSize: Int) throws -> ExpertFFN? {
      guard innerSize > 0, configuration.computes else { return nil }
      let ffn = try ExpertFFN(
        context: context, hiddenSize: model.hiddenSize, ffnSize: innerSize,
        type: configuration.elementType, activation: Self.activation(of: model))
      try ffn.prepare()
      return ffn
    }
    expertFFN = try prepared(model.expertFFNSize)
    sharedFFN = try prepared(model.sharedFFNSize)
    if configuration.routesLive {
      let product = try LinearProduct(
        context: context, inputSize: model.hiddenSize, outputSize: model.expertCount, type: .f32)
      try product.prepare()
      routerProduct = product
    } else {
      routerProduct = nil
    }
    for layer in Set(configuration.layers.map(weights.weightLayer)) {
      if let sharedFFN {
        sharedExperts[layer] = try pack(sharedFFN, innerSize: model.sharedFFNSize) {
          weights.fillSharedGateUp(layer: layer, into: $0)
          weights.fillSharedDown(layer: layer, into: $1)
        }
      }
      if let routerProduct {
        let packed = try PackedWeights(for: routerProduct)
        try withScratch(model.hiddenSize * model.expertCount) { scratch in
          weights.fillRouter(layer: layer, into: scratch)
          try routerProduct.pack(scratch.baseAddress!, into: packed)
        }
        routers[layer] = packed
      }
    }
  }

  /// Holds exactly these experts: packs those that are missing and frees the others.
  func hold(_ keys: Set<ShardKey>) throws {
    experts = experts.filter { keys.contains($0.key) }
    for key in keys where experts[key] == nil { try pack(key) }
  }

  /// Generates an expert and packs it.
  func pack(_ key: ShardKey) throws {
    guard let expertFFN else { return }
    experts[key] = try pack(expertFFN, innerSize: weights.model.expertFFNSize) {
      weights.fillGateUp(layer: key.weightLayer, expert: key.expert, into: $0)
      weights.fillDown(layer: key.weightLayer, expert: key.expert, into: $1)
    }
  }

  /// The experts of a layer on this rank, as a case wants them computed.
  func expertStage(layer: Int, runCase: RunCase, rank: Int) -> ExpertStage {
    let model = weights.model
    let slowFactor = runCase.disturbance.expertFactor(rank: rank)
    guard runCase.compute == .real else {
      return standIn(
        runCase.compute, parameters: model.expertParameterCount, slowFactor: slowFactor)
    }
    let placement = runCase.placement
    let row = placement.row(ofLayer: layer)!
    let slotWeights = placement.slots(ofRank: rank).map { slot in
      let expert = Int(placement.physicalToLogical[row][slot])
      return experts[ShardKey(weightLayer: weights.weightLayer(of: layer), expert: expert)]!
    }
    return ExpertStage(
      ffn: expertFFN!, weights: slotWeights, hidden: model.hiddenSize, elementType: elementType,
      slowFactor: slowFactor)
  }

  /// The shared experts of a layer; nil where the model has none.
  func sharedStage(layer: Int, compute: ExpertCompute) -> ExpertStage? {
    let model = weights.model
    guard model.sharedFFNSize > 0 else { return nil }
    guard compute == .real else {
      return standIn(compute, parameters: model.sharedParameterCount, slowFactor: 1)
    }
    return ExpertStage(
      ffn: sharedFFN!, weights: [sharedExperts[weights.weightLayer(of: layer)]!],
      hidden: model.hiddenSize, elementType: elementType, slowFactor: 1)
  }

  private func standIn(
    _ compute: ExpertCompute, parameters: Int, slowFactor: Double
  ) -> ExpertStage {
    let rate: Double? = if case .emulated(let rate) = compute { rate } else { nil }
    return ExpertStage(
      parameters: parameters, rate: rate, hidden: weights.model.hiddenSize,
      elementType: elementType, slowFactor: slowFactor)
  }

  /// The router's weights of a layer.
  func routerWeights(layer: Int) -> PackedWeights? { routers[weights.weightLayer(of: layer)] }

  private func pack(
    _ ffn: ExpertFFN, innerSize: Int,
    fill: (UnsafeMutableBufferPointer<Float>, UnsafeMutableBufferPointer<Float>) -> Void
  ) throws -> ExpertFFN.Weights {
    let model = weights.model
    let matrix = model.hiddenSize * innerSize
    let gateUpCount = model.activation.inputMatrixCount * matrix
    return try withScratch(gateUpCount + matrix) { scratch in
      let gateUp = UnsafeMutableBufferPointer(rebasing: scratch[..<gateUpCount])
      let down = UnsafeMutableBufferPointer(rebasing: scratch[gateUpCount...])
      fill(gateUp, down)
      return try ffn.pack(gateUp: gateUp.baseAddress!, down: down.baseAddress!)
    }
  }

  private static func activation(of model: ModelShape) -> ExpertFFN.Activation {
    switch model.activation {
    case .swiGLU: .swiGLU
    case .geGLU: .geGLU
    case .reLU: .reLU
    case .squaredReLU: .squaredReLU
    }
  }

  private func withScratch<Result>(
    _ count: Int, _ body: (UnsafeMutableBufferPointer<Float>) throws -> Result
  ) rethrows -> Result {
    let scratch = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    defer { scratch.deallocate() }
    return try body(scratch)
  }
}

/// One expert's weights: layers may share them.
struct ShardKey: Hashable {
  let weightLayer: Int
  let expert: Int

  /// What a rank holds for these cases.
  static func union(
    of cases: ArraySlice<RunCase>, rank: Int, configuration: RunConfiguration
  ) -> Set<ShardKey> {
    var keys: Set<ShardKey> = []
    for layer in configuration.layers {
      let weightLayer = configuration.weights.weightLayer(of: layer)
      for runCase in cases where runCase.compute == .real {
        let row = runCase.placement.physicalToLogical[runCase.placement.row(ofLayer: layer)!]
        for slot in runCase.placement.slots(ofRank: rank) {
          keys.insert(ShardKey(weightLayer: weightLayer, expert: Int(row[slot])))
        }
      }
    }
    return keys
  }
}
