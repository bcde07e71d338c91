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

  /// Every combination of the lists, the choice of replicas changing first.
  ///
  /// - Throws: ``InputError`` for a word that is unknown or given twice.
  static func all(
    replicaChoice: String, dedup: String, combine: String, profile: ClusterProfile?
  ) throws -> [LabSetting] {
    let choices = try values(ReplicaChoice.self, replicaChoice, "replica-choice")
    let dedups = try values(Dedup.self, dedup, "dedup")
    let combines = try values(CombineRule.self, combine, "combine")
    return dedups.flatMap { dedup in
      combines.flatMap { combine in
        choices.map { choice in
          var spec = CaseSpec()
          (spec.replicaChoice, spec.dedup, spec.combine) = (choice, dedup, combine)
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
  }

  /// The name of a plan.
  func name(of placement: ExpertPlacement) -> String {
    let choice = placement.extraSlotCount > 0 ? choiceName : nil
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
