// SPDX-License-Identifier: Apache-2.0
// epsim: what a person says of a trace because its format does not.

internal import MoE

/// Sizes and numbering that a format may lack.
public struct TraceReadOptions: Sendable, Equatable {
  /// E, the routed experts of a layer.
  public var expertCount: Int?
  /// K, the experts of a token.
  public var topK: Int?
  /// L, the layers of a flat array.
  public var layerCount: Int?
  /// Number of the first recorded layer in the model's numbering.
  public var firstLayer: Int?
  /// Leading rows of the layer axis that stand for dense layers and hold no routing.
  public var skippedLayers = 0
  /// File of the weights, for formats that keep them apart.
  public var weightsPath: String?

  public init() {}

  /// E, where the format lacks it.
  ///
  /// - Throws: ``InputError`` that names the option.
  func requireExperts(name: String) throws -> Int {
    try require(expertCount, "how many experts a layer has", "--experts", name: name)
  }

  /// K, where the format lacks it.
  func requireTopK(name: String) throws -> Int {
    try require(topK, "how many experts a token chooses", "--top-k", name: name)
  }

  /// The first layer's number, where the format lacks it.
  func requireFirstLayer(name: String) throws -> Int {
    try require(firstLayer, "which layer of the model is its first", "--first-layer", name: name)
  }

  private func require(_ value: Int?, _ what: String, _ option: String, name: String) throws -> Int
  {
    guard let value else {
      throw InputError("\(name): the format does not say \(what), add \(option) or --model PRESET")
    }
    return value
  }

  /// Checks what the format says against what the person said.
  ///
  /// - Throws: ``InputError`` when they contradict each other.
  func check(_ shape: TraceShape) throws {
    let pairs = [
      ("--experts", expertCount, shape.expertCount), ("--top-k", topK, shape.topK),
      ("--trace-layers", layerCount.map { $0 - skippedLayers }, shape.layerCount),
      ("--first-layer", firstLayer, shape.layers[0]),
    ]
    for case (let option, let wanted?, let found) in pairs where wanted != found {
      throw InputError("\(shape.name): \(option) says \(wanted), the trace says \(found)")
    }
  }
}

/// A trace that was opened, and what the reader wants the person to know.
public struct OpenedTrace: Sendable {
  /// The trace.
  public let source: any TraceSource
  /// Remarks on what the file lacked and what was assumed.
  public let notes: [String]
}
