// SPDX-License-Identifier: Apache-2.0
// epsim: synthetic weights as a pure function of seed, layer and logical expert.

/// The weights of a model: synthetic, reproducible, the same wherever an expert is placed.
///
/// Each matrix is uniform with mean 0 and variance 1 / fan-in, so activations keep their scale
/// from layer to layer. Weights are a function of (seed, layer, logical expert) only.
public struct ModelWeights: Sendable {
  /// Which layers have weights of their own.
  public enum Sharing: String, Sendable, Codable, CaseIterable {
    /// Every layer uses the weights of layer 0: less memory, the same amount of work.
    case shared
    /// Every layer has its own weights.
    case perLayer = "per-layer"
  }

  private enum Matrix: UInt64 {
    case gateUp = 1
    case down, router
  }

  public let model: ModelShape
  public let seed: UInt64
  public let sharing: Sharing

  public init(model: ModelShape, seed: UInt64, sharing: Sharing) {
    self.model = model
    self.seed = seed
    self.sharing = sharing
  }

  /// The layer whose weights layer `layer` uses.
  public func weightLayer(of layer: Int) -> Int { sharing == .shared ? 0 : layer }

  /// Fills the matrices before the activation of a routed expert.
  ///
  /// Shape: [H, 2F] row-major; columns 0 ..< F are the gate, F ..< 2F the up projection. Without a
  /// gate (``ExpertActivation/isGated``) [H, F], the up projection alone.
  public func fillGateUp(layer: Int, expert: Int, into values: UnsafeMutableBufferPointer<Float>) {
    fill(.gateUp, layer, expert, fanIn: model.expertInputSize, values)
  }

  /// Fills the down matrix of a routed expert. Shape: [F, H] row-major.
  public func fillDown(layer: Int, expert: Int, into values: UnsafeMutableBufferPointer<Float>) {
    fill(.down, layer, expert, fanIn: model.expertFFNSize, values)
  }

  /// Fills the matrices before the activation of the shared experts, which are one FFN.
  ///
  /// Shape: [H, 2 G] for shared experts of width G together, gate columns first; without a gate
  /// [H, G].
  public func fillSharedGateUp(layer: Int, into values: UnsafeMutableBufferPointer<Float>) {
    fill(.gateUp, layer, model.expertCount, fanIn: model.hiddenSize, values)
  }

  /// Fills the down matrix of the shared experts. Shape: [G, H].
  public func fillSharedDown(layer: Int, into values: UnsafeMutableBufferPointer<Float>) {
    // Each shared expert has a fan-in of its own width; their outputs are added, as in the model.
    let fanIn = model.sharedFFNSize / max(1, model.sharedExpertCount)
    fill(.down, layer, model.expertCount, fanIn: fanIn, values)
  }

  /// Fills the router's gate matrix. Shape: [H, E].
  public func fillRouter(layer: Int, into values: UnsafeMutableBufferPointer<Float>) {
    fill(.router, layer, 0, fanIn: model.hiddenSize, values)
  }

  private func fill(
    _ matrix: Matrix, _ layer: Int, _ expert: Int, fanIn: Int,
    _ values: UnsafeMutableBufferPointer<Float>
  ) {
    let stream = CounterRandom(
      seed: seed, matrix.rawValue, UInt64(weightLayer(of: layer)), UInt64(expert))
    // A uniform value in [-b, b) has variance b^2 / 3.
    stream.fillUniform(values, bound: (3 / Float(fanIn)).squareRoot())
  }
}
