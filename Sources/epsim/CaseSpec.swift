// SPDX-License-Identifier: Apache-2.0
// epsim: the cases that the options ask for.

internal import Kernels
internal import MoE
internal import Placement

/// One case as written.
struct CaseSpec: Equatable {
  var placement: PlacementSpec
  var replicaChoice: ReplicaChoice
  var wire: ElementType?

  /// The cases that the options ask for.
  /// - Throws: ``InputError`` that names the value and what is accepted.
  static func all(_ options: CaseOptions) throws -> [CaseSpec] {
    let placements = try list(options.placement, "placement").map(PlacementSpec.init(parsing:))
    let choices = try list(options.replicaChoice, "replica-choice").map {
      try value(ReplicaChoice.self, $0, "replica-choice")
    }
    let wires: [ElementType?] =
      try options.wire.map {
        try list($0, "wire").map { try value(ElementType.self, $0, "wire") }
      } ?? [nil]
    let product = placements.flatMap { placement in
      choices.flatMap { choice in
        wires.map { CaseSpec(placement: placement, replicaChoice: choice, wire: $0) }
      }
    }
    guard !options.cases.isEmpty else { return try distinct(product) }
    guard product.count == 1 else {
      throw InputError(
        "--case is given beside lists that make \(product.count) cases; with --case the other "
          + "options take one value each")
    }
    return try distinct(options.cases.map { try product[0].changed(by: $0) })
  }

  private static func distinct(_ cases: [CaseSpec]) throws -> [CaseSpec] {
    for (index, spec) in cases.enumerated() where cases[..<index].contains(spec) {
      throw InputError("the case \(spec.placement) is given twice, cases must differ")
    }
    return cases
  }

  /// This case with the options of a `--case` in place of its own.
  private func changed(by text: String) throws -> CaseSpec {
    var result = self
    for pair in try Self.list(text, "case") {
      let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw InputError("--case \(text): \"\(pair)\" is not KEY=VALUE")
      }
      switch parts[0] {
      case "placement": result.placement = try PlacementSpec(parsing: parts[1])
      case "replica-choice":
        result.replicaChoice = try Self.value(ReplicaChoice.self, parts[1], "replica-choice")
      case "wire": result.wire = try Self.value(ElementType.self, parts[1], "wire")
      default:
        throw InputError(
          "--case \(text): \(parts[0]) is not an option of a case, accepted are placement, "
            + "replica-choice, wire")
      }
    }
    return result
  }

  private static func list(_ text: String, _ name: String) throws -> [String] {
    let items = text.split(separator: ",", omittingEmptySubsequences: false).map {
      String($0.drop { $0 == " " })
    }
    guard !items.contains("") else {
      throw InputError("--\(name) \"\(text)\" has an empty entry")
    }
    return items
  }

  static func value<Value: RawRepresentable<String> & CaseIterable>(
    _ type: Value.Type, _ text: String, _ name: String
  ) throws -> Value {
    guard let value = Value(rawValue: text) else {
      let accepted = Value.allCases.map(\.rawValue).joined(separator: ", ")
      throw InputError("--\(name) \(text) is unknown, accepted are \(accepted)")
    }
    return value
  }
}

extension CaseSpec {
  /// A short name that tells the case from the others.
  func name(among cases: [CaseSpec]) -> String {
    let isAmbiguous = cases.contains {
      $0.placement.tableName == placement.tableName && $0.placement != placement
    }
    var parts = [isAmbiguous ? placement.description : placement.tableName]
    if Set(cases.map(\.replicaChoice)).count > 1 { parts.append(replicaChoice.rawValue) }
    if Set(cases.map(\.wire)).count > 1 { parts.append(wire?.rawValue ?? "default") }
    return parts.joined(separator: " ")
  }
}

extension PlacementSpec {
  /// The spec as written; of a path only the file's name.
  var tableName: String {
    guard case .file(let path) = rule else { return description }
    return path.split(separator: "/").last.map(String.init) ?? path
  }
}
