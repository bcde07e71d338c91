// SPDX-License-Identifier: Apache-2.0
// epsim: what goes with a placement when it is judged.

internal import CostModel
internal import MoE
internal import Placement
internal import Projection

/// A replica choice and an exchange, on a cluster: together with a placement they make a plan.
struct LabSetting {
  /// The rule that picks copies, which copies travel, and how results return.
  let spec: CaseSpec
  /// The cluster that times are modelled on; nil for none.
  let profile: ClusterProfile?
  /// What tells a plan from others of the same placement.
  private let choiceName: String?
  private let exchangeName: String?
  /// Whether its rule for replicas is the first of the list.
  let isOfFirstChoice: Bool

  /// Every combination of the lists that there can be, the choice of replicas changing first.
  ///
  /// - Throws: ``InputError`` for a word that is unknown or given twice, and where nothing goes
  ///   together.
  static func all(
    replicaChoice: String, dedup: String, combine: String, profile: ClusterProfile?
  ) throws -> [LabSetting] {
    let choices = try values(ReplicaChoice.self, replicaChoice, "replica-choice")
    let dedups = try values(Dedup.self, dedup, "dedup")
    let combines = try values(CombineRule.self, combine, "combine")
    var contradiction: String?
    let settings = dedups.flatMap { dedup in
      combines.flatMap { combine in
        choices.compactMap { choice -> LabSetting? in
          var spec = CaseSpec()
          (spec.replicaChoice, spec.dedup, spec.combine) = (choice, dedup, combine)
          contradiction = contradiction ?? spec.contradiction
          guard spec.contradiction == nil else { return nil }
          let exchange =
            (dedups.count > 1 ? ["dedup \(dedup.rawValue)"] : [])
            + (combines.count > 1 ? [combine.rawValue] : [])
          return LabSetting(
            spec: spec, profile: profile, choiceName: choices.count > 1 ? choice.rawValue : nil,
            exchangeName: exchange.isEmpty ? nil : exchange.joined(separator: " "),
            isOfFirstChoice: choice == choices[0])
        }
      }
    }
    guard !settings.isEmpty else { throw InputError(contradiction ?? "no plan is asked for") }
    return settings
  }

  /// The name of a plan, whose placement the rule for replicas may have decided.
  func name(of placement: ExpertPlacement, isChosenByPrices: Bool) -> String {
    let choice = placement.extraSlotCount > 0 || isChosenByPrices ? choiceName : nil
    return [placement.name, choice, exchangeName].compactMap { $0 }.joined(separator: " ")
  }

  private static func values<Value: RawRepresentable<String> & CaseIterable & Equatable>(
    _ type: Value.Type, _ text: String, _ name: String
  ) throws -> [Value] {
    try CaseSpec.list(text, name).reduce(into: []) { values, word in
      let value = try CaseSpec.value(type, word, name)
      guard !values.contains(value) else { throw InputError("--\(name) \(text): \(word) twice") }
      values.append(value)
    }
  }
}
