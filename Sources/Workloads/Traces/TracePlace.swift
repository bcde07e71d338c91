// SPDX-License-Identifier: Apache-2.0
// epsim: where a value of a trace stands, in words.

/// Where the values of a window come from, so that an error names the place in the file.
struct TracePlace: Sendable {
  /// Number of the window's first token in the whole trace.
  var firstToken = 0
  /// Where the ids were read, if from an array in a file.
  var ids: TokenTensor?
  /// Where the weights were read, if from an array in a file.
  var weights: TokenTensor?

  /// Token, layer, slot and byte of an id, by its index in the window.
  func ofID(_ index: Int, in shape: TraceShape) -> String { words(index, ids, shape) }

  /// The same for a weight.
  func ofWeight(_ index: Int, in shape: TraceShape) -> String { words(index, weights, shape) }

  private func words(_ index: Int, _ tensor: TokenTensor?, _ shape: TraceShape) -> String {
    let row = index / shape.topK
    let (token, layer) = (firstToken + row / shape.layerCount, row % shape.layerCount)
    let slot = index % shape.topK
    var place = "token \(token), layer \(shape.layers[layer]), slot \(slot)"
    if let tensor {
      let byte = tensor.fileOffset(token: token, layer: layer, slot: slot)
      place += " (\(tensor.field), byte \(byte))"
    }
    return place
  }
}

extension StringProtocol {
  /// Text of a file in an error sentence: short, and without what would break the line.
  var excerpt: String {
    let text = String(unicodeScalars.prefix(48).map { $0.value < 0x20 ? "?" : Character($0) })
    return text.unicodeScalars.count < unicodeScalars.count ? text + "..." : text
  }
}
