// SPDX-License-Identifier: Apache-2.0
// epsim: the options in which cases may differ, and how each is written.

internal import CostModel
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
  static var all: [CaseKnob] { computed + exchanging + executing }

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

  /// How the value stands in a case's name; nil where the option is at rest.
  func namePart(of spec: CaseSpec) -> String? {
    let word = word(spec)
    return switch name {
    case "transport": spec.automatic.transport ? "transport auto" : word
    case "replica-choice", "wire", "combine", "compute", "timing": word
    case "dedup": word == "none" ? "no dedup" : "dedup \(word)"
    case "combine-wire": "combine \(word)"
    case "top-k": spec.topK.map { "top-\($0)" }
    case "capacity": spec.capacity == nil ? "dropless" : "capacity \(word)"
    case "drop-policy", "capacity-scope": spec.capacity == nil ? nil : word
    case "chunks":
      spec.automatic.chunks ? "chunks auto" : spec.chunks == 1 ? "one chunk" : "\(word) chunks"
    case "poll": !spec.mayChunk ? nil : spec.poll == .on ? "polled" : "unpolled"
    case "expert-rate": spec.expertRate.map { shortRate($0) }
    default: word == "none" || word == "0" ? nil : "\(name) \(word)"
    }
  }
}

/// A number without needless digits.
func shortNumber(_ value: Double) -> String {
  Int(exactly: value).map(String.init) ?? "\(value)"
}

func shortRate(_ rate: Double) -> String { shortNumber(rate / 1e9) + "G" }
