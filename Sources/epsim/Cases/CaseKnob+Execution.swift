// SPDX-License-Identifier: Apache-2.0
// epsim: the options that say what computes and what is injected.

internal import ExpertParallel
internal import MoE

extension CaseKnob {
  /// What computes and what is injected.
  static var executing: [CaseKnob] {
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
