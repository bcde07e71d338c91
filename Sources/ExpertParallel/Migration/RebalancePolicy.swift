// SPDX-License-Identifier: Apache-2.0
// epsim: when a run moves its experts.

internal import MoE
public import Placement
public import Workloads

/// When experts are placed anew while steps go on, and which new placements are not worth a move.
///
/// Written `never`, `interval[:STEPS][:window=STEPS][:gain=SHARE]` or
/// `threshold[:MAX_OVER_MEAN][:window=STEPS][:gain=SHARE]`.
/// Source: step intervals and windows are those of vLLM's `eplb_config`; thresholds on the load of
/// ranks and a least gain are those of vllm-ascend's balancers.
public struct RebalancePolicy: Sendable, Equatable, CustomStringConvertible {
  private enum Rule: Sendable, Equatable {
    case never
    case interval(Int)
    case threshold(Double)
  }

  /// As it was written.
  public let description: String
  /// Steps whose load a new placement is fitted to, and that a threshold looks at.
  public let window: Int
  /// Share by which the heaviest ranks' load must fall, or nothing moves (hysteresis).
  public let gain: Double
  private let rule: Rule

  private static let common: [SpecParameter] = [
    .whole("window", 8, 1...100_000, "steps whose load a new placement is fitted to"),
    .real("gain", 0.05, 0...1, "share by which the heaviest ranks' load must fall"),
  ]
  private static let parameters: [(name: String, first: SpecParameter)] = [
    ("interval", .whole("steps", 16, 1...1_000_000, "steps between decisions")),
    ("threshold", .real("limit", 1.2, 1...1e6, "load max/mean of a window that asks for a move")),
  ]

  /// What is accepted, for sentences and help.
  public static var usage: String {
    (["never"] + parameters.map { $0.name + SpecParameter.usage([$0.first] + common) })
      .joined(separator: ", ")
  }

  /// Parses what a person wrote.
  ///
  /// - Throws: `InputError` that says what is accepted.
  public init(parsing text: String) throws {
    description = text
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let (name, rest) = (String(parts[0]), parts.count == 2 ? String(parts[1]) : nil)
    if name == "never", rest == nil {
      (rule, window, gain) = (.never, 8, 0)
      return
    }
    guard let entry = Self.parameters.first(where: { $0.name == name }) else {
      throw InputError(
        "policy \"\(InputError.excerpt(text))\" is unknown, accepted are \(Self.usage)")
    }
    let values = try SpecValues(
      [entry.first] + Self.common, parsing: rest, of: name, place: "policy \(text)")
    window = values[whole: "window"]
    gain = values["gain"]
    rule =
      name == "interval" ? .interval(values[whole: "steps"]) : .threshold(values["limit"])
  }

  /// Whether experts ever move.
  public var moves: Bool { rule != .never }

  /// Whether a new placement is asked for before a step.
  ///
  /// - Parameters:
  ///   - step: steps since the measurement began.
  ///   - maxOverMean: of the last window of steps.
  public func asks(beforeStep step: Int, maxOverMean: Double) -> Bool {
    guard step > 0 else { return false }
    return switch rule {
    case .never: false
    case .interval(let steps): step.isMultiple(of: steps)
    case .threshold(let limit): step.isMultiple(of: window) && maxOverMean > limit
    }
  }

  /// Whether a new placement is worth a move: the sum over layers of the heaviest rank's load, shared
  /// evenly by replicas, falls by the gain.
  ///
  /// - Throws: `InputError` where the load does not fit the placements.
  public func accepts(
    _ new: ExpertPlacement, insteadOf old: ExpertPlacement, load: LoadHistogram
  ) throws -> Bool {
    guard new.physicalToLogical != old.physicalToLogical || new.slotOffsets != old.slotOffsets
    else { return false }
    func heaviest(_ placement: ExpertPlacement) throws -> Double {
      try placement.layers.indices.reduce(0) {
        $0 + (try placement.uniformRankLoads(load, layerRow: $1).max() ?? 0)
      }
    }
    return try heaviest(new) < (1 - gain) * heaviest(old)
  }
}
