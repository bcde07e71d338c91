// SPDX-License-Identifier: Apache-2.0
// epsim: the activations that enter the first layer.

internal import Foundation

/// Standard normal input rows as a pure function of (seed, global token).
public struct TokenInputs: Sendable {
  private let seed: UInt64
  /// H, the width of a row.
  public let hiddenSize: Int

  public init(seed: UInt64, hiddenSize: Int) {
    self.seed = seed
    self.hiddenSize = hiddenSize
  }

  /// Fills the row of one token. Shape: [H].
  ///
  /// Source: Box and Muller, Annals of Mathematical Statistics 29 (1958).
  public func fill(globalToken: Int, into row: UnsafeMutableBufferPointer<Float>) {
    let stream = CounterRandom(seed: seed, 0x1270_75, UInt64(globalToken))
    var column = 0
    while column < row.count {
      // 1 - u lies in (0, 1], so the logarithm is finite.
      let radius = (-2 * log(1 - stream.unit(at: UInt64(column)))).squareRoot()
      let angle = 2 * Double.pi * stream.unit(at: UInt64(column + 1))
      row[column] = Float(radius * cos(angle))
      if column + 1 < row.count { row[column + 1] = Float(radius * sin(angle)) }
      column += 2
    }
  }
}
