// SPDX-License-Identifier: Apache-2.0
// epsim: random numbers of other laws than the uniform one.

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif

extension RandomDraws {
  /// A standard normal number. Two draws.
  ///
  /// Source: Box and Muller, "A note on the generation of random normal deviates", 1958.
  mutating func normal() -> Double {
    // 1 - u lies in (0, 1], so the logarithm is finite.
    let radius = (-2 * log(1 - unit())).squareRoot()
    return radius * cos(2 * .pi * unit())
  }

  /// The logarithm of a number of the gamma law with this shape and scale 1.
  ///
  /// The logarithm, because small shapes give numbers that underflow.
  /// Source: Marsaglia and Tsang, "A simple method for generating gamma variables", 2000.
  mutating func logGamma(shape: Double) -> Double {
    // A shape below 1 is made of shape + 1: G(a) = G(a + 1) U^(1/a).
    let boost = shape < 1 ? log(1 - unit()) / shape : 0
    let d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let z = normal()
      let v = 1 + c * z
      guard v > 0 else { continue }
      let cube = v * v * v
      if log(1 - unit()) < 0.5 * z * z + d - d * cube + d * log(cube) {
        return log(d * cube) + boost
      }
    }
  }
}
