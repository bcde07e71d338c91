// SPDX-License-Identifier: Apache-2.0
// epsim: the options in which cases may differ, and how each is written.

internal import ExpertParallel
internal import Kernels
internal import MoE
internal import Placement

/// One option in which cases may differ.
struct CaseKnob {
  /// The option's name without dashes.
  let name: String
  /// What the command line says of it; nil where it is not given.
  let text: (CaseSpec.Words) -> String?
  /// Takes a word over into a case.
  let set: (inout CaseSpec, String) throws -> Void
  /// The value of a case as it is written.
  let word: (CaseSpec) -> String

  /// Placement first: a case is named after it.
  static var all: [CaseKnob] { computed + executing }

  /// All that counters depend on.
  static var computed: [CaseKnob] { placing + routing }

  /// Where experts live.
  private static var placing: [CaseKnob] {
    [
      CaseKnob(
        name: "placement", text: \.cases.placement,
        set: { $0.placement = try PlacementSpec(parsing: $1) }, word: \.placement.description),
      CaseKnob(
        name: "replica-choice", text: \.cases.replicaChoice,
        set: { $0.replicaChoice = try CaseSpec.value(ReplicaChoice.self, $1, "replica-choice") },
        word: \.replicaChoice.rawValue),
    ]
  }

  /// How many experts a token gets, and what they take.
  private static var routing: [CaseKnob] {
    [
      CaseKnob(
        name: "top-k", text: \.routing.topK,
        set: {
          guard let topK = Int($1), (1...1024).contains(topK) else {
            throw InputError("--top-k \($1), accepted are 1 to 1024")
          }
          $0.topK = topK
        }, word: { $0.topK.map { "\($0)" } ?? "" }),
      CaseKnob(
        name: "capacity", text: \.routing.capacity,
        set: { $0.capacity = try factor($1) },
        word: { $0.capacity.map { shortNumber($0) } ?? "none" }),
      CaseKnob(
        name: "drop-policy", text: \.routing.dropPolicy,
        set: {
          $0.dropPolicy = try CaseSpec.value(CapacityRule.DropPolicy.self, $1, "drop-policy")
        }, word: \.dropPolicy.rawValue),
      CaseKnob(
        name: "capacity-scope", text: \.routing.capacityScope,
        set: {
          $0.capacityScope = try CaseSpec.value(CapacityRule.Scope.self, $1, "capacity-scope")
        }, word: \.capacityScope.rawValue),
    ]
  }

  private static func factor(_ text: String) throws -> Double? {
    if text == "none" { return nil }
    guard let factor = Double(text), factor > 0, factor <= CapacityRule.maximumFactor else {
      throw InputError(
        "--capacity \(text), accepted are none and factors above 0 up to "
          + shortNumber(CapacityRule.maximumFactor))
    }
    return factor
  }

  /// How rows travel, what computes and what is injected.
  private static var executing: [CaseKnob] {
    [
      CaseKnob(
        name: "bias-update", text: \.execution?.biasUpdate,
        set: {
          guard $1 != "none" else {
            $0.biasUpdate = nil
            return
          }
          guard let rate = Double($1), (1e-9...1).contains(rate) else {
            throw InputError("--bias-update \($1), accepted are none and numbers from 1e-9 to 1")
          }
          $0.biasUpdate = rate
        }, word: { $0.biasUpdate.map { "\($0)" } ?? "none" }),
      CaseKnob(
        name: "wire", text: \.execution?.wire,
        set: { $0.wire = try CaseSpec.value(WireFormat.self, $1, "wire") },
        word: { $0.wire?.rawValue ?? "default" }),
      CaseKnob(
        name: "compute", text: \.execution?.compute,
        set: { $0.compute = try CaseSpec.value(CaseSpec.Compute.self, $1, "compute") },
        word: \.compute.rawValue),
      CaseKnob(
        name: "expert-rate", text: \.execution?.expertRate,
        set: { $0.expertRate = try rate($1) }, word: { $0.expertRate.map { "\($0)" } ?? "" }),
      CaseKnob(
        name: "timing", text: \.execution?.timing,
        set: { $0.timing = try CaseSpec.value(RunCase.Timing.self, $1, "timing") },
        word: \.timing.rawValue),
      CaseKnob(
        name: "delay", text: \.execution?.delay,
        set: {
          $0.disturbance.delay = try pair($1, "delay", "MICROSECONDS", 0...1e9).map {
            Disturbance.Delay(rank: $0, microseconds: $1)
          }
        }, word: { $0.delayText ?? "none" }),
      CaseKnob(
        name: "slow", text: \.execution?.slow,
        set: {
          $0.disturbance.slowdown = try pair($1, "slow", "FACTOR", 1...1000).map {
            Disturbance.Slowdown(rank: $0, factor: $1)
          }
        }, word: { $0.slowText ?? "none" }),
      CaseKnob(
        name: "jitter", text: \.execution?.jitter,
        set: {
          guard let time = Double($1), (0...1e9).contains(time) else {
            throw InputError("--jitter \($1), accepted are 0 to 1e9 microseconds")
          }
          $0.disturbance.jitterMicroseconds = time
        }, word: { shortNumber($0.disturbance.jitterMicroseconds) }),
    ]
  }

  /// How the value stands in a case's name; nil where the option is at rest.
  func namePart(of spec: CaseSpec) -> String? {
    let word = word(spec)
    return switch name {
    case "replica-choice", "wire", "compute", "timing": word
    case "top-k": spec.topK.map { "top-\($0)" }
    case "capacity": spec.capacity == nil ? "dropless" : "capacity \(word)"
    case "drop-policy", "capacity-scope": spec.capacity == nil ? nil : word
    case "expert-rate": spec.expertRate.map { shortRate($0) }
    default: word == "none" || word == "0" ? nil : "\(name) \(word)"
    }
  }

  /// RANK:VALUE, or `none`.
  private static func pair(
    _ text: String, _ name: String, _ what: String, _ accepted: ClosedRange<Double>
  ) throws -> (Int, Double)? {
    if text == "none" { return nil }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let rank = Int(parts[0]), rank >= 0, let value = Double(parts[1]),
      accepted.contains(value)
    else {
      throw InputError(
        "--\(name) \(text), accepted are none and RANK:\(what) with \(what) from "
          + "\(shortNumber(accepted.lowerBound)) to \(shortNumber(accepted.upperBound))")
    }
    return (rank, value)
  }

  private static let scales: [Character: Double] = ["M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15]

  /// FLOP/s as a number, with M, G, T or P behind it or without.
  private static func rate(_ text: String) throws -> Double {
    let scale = text.last.flatMap { scales[$0] }
    let number = Double(scale == nil ? text : String(text.dropLast()))
    guard let number, case let rate = number * (scale ?? 1), rate >= 1e3, rate <= 1e18 else {
      throw InputError(
        "--expert-rate \(text), accepted are 1e3 to 1e18 FLOP/s, such as 2e11 or 200G")
    }
    return rate
  }
}

extension CaseSpec {
  /// The injected delay as written; nil where there is none.
  var delayText: String? {
    disturbance.delay.map { "\($0.rank):\(shortNumber($0.microseconds))" }
  }

  /// The injected slowdown as written; nil where there is none.
  var slowText: String? {
    disturbance.slowdown.map { "\($0.rank):\(shortNumber($0.factor))" }
  }
}

/// A number without needless digits.
private func shortNumber(_ value: Double) -> String {
  Int(exactly: value).map(String.init) ?? "\(value)"
}

private func shortRate(_ rate: Double) -> String { shortNumber(rate / 1e9) + "G" }
