// SPDX-License-Identifier: Apache-2.0
// epsim: how a workload is written on the command line.

internal import MoE

/// A workload as written: a trace file or a generator `NAME[:PARAM]`.
public enum WorkloadSpec: Sendable, Equatable, CustomStringConvertible {
  /// Every set of K experts equally likely.
  case uniform
  /// Zipf popularity with this exponent.
  case zipf(exponent: Double)
  /// A recorded trace.
  case trace(path: String)

  /// The exponent of `zipf` without a parameter.
  public static let defaultExponent = 1.0
  /// The largest exponent that is accepted.
  public static let maximumExponent = 10.0

  static let accepted =
    "uniform, zipf or zipf:EXPONENT (0 to 10), or the path of a trace (with a / or ending in "
    + ".safetensors)"

  /// Parses what a person wrote; does not open the file.
  ///
  /// - Throws: ``InputError`` that lists what is accepted.
  public init(parsing text: String) throws {
    if text.contains("/") || text.hasSuffix(".safetensors") {
      self = .trace(path: text)
      return
    }
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    switch (String(parts[0]), parts.count == 2 ? String(parts[1]) : nil) {
    case ("uniform", nil): self = .uniform
    case ("zipf", nil): self = .zipf(exponent: Self.defaultExponent)
    case ("zipf", .some(let parameter)):
      guard let exponent = Double(parameter), (0...Self.maximumExponent).contains(exponent) else {
        throw InputError("workload \(text): the exponent \(parameter) is not a number from 0 to 10")
      }
      self = .zipf(exponent: exponent)
    default:
      throw InputError("workload \"\(text)\" is unknown, accepted are \(Self.accepted)")
    }
  }

  public var description: String {
    switch self {
    case .uniform: "uniform"
    case .zipf(let exponent): "zipf:\(exponent)"
    case .trace(let path): path
    }
  }

  /// The generator of this spec; nil for a trace, which is read as a ``RoutingTrace``.
  ///
  /// - Parameter layerCount: all layers of the model.
  public func generator(expertCount: Int, topK: Int, layerCount: Int, seed: UInt64)
    -> (any RoutingSource)?
  {
    switch self {
    case .uniform: UniformWorkload(expertCount: expertCount, topK: topK, seed: seed)
    case .zipf(let exponent):
      ZipfWorkload(
        exponent: exponent, expertCount: expertCount, topK: topK, layerCount: layerCount,
        seed: seed)
    case .trace: nil
    }
  }
}
