// SPDX-License-Identifier: Apache-2.0
// epsim: which keys a cluster profile has.

/// The keys of a cluster profile and what stands behind each.
enum ProfileSchema {
  static let current = "epsim-cluster/1"

  /// What stands behind a key.
  indirect enum Shape: Sendable {
    /// A number with unit, provenance and source.
    case value(ProfileDimension)
    /// A short text.
    case text
    /// Known keys.
    case fields([Field])
    /// Keys that are quantities themselves: `64 KiB`, `128 rows`.
    case byQuantity(ProfileDimension, Shape)
    /// Keys that are names which the profile gives.
    case byName(Shape)
  }

  struct Field: Sendable {
    let name: String
    let shape: Shape
    let isRequired: Bool
  }

  private static func need(_ name: String, _ shape: Shape) -> Field {
    Field(name: name, shape: shape, isRequired: true)
  }

  private static func may(_ name: String, _ shape: Shape) -> Field {
    Field(name: name, shape: shape, isRequired: false)
  }

  static let root: [Field] = [
    need("schema", .text), need("name", .text), need("about", .text),
    need("ranks_per_node", .value(.ranks)), may("domain", .value(.ranks)),
    need("rank", .fields(rank)), may("other_ranks", .byName(.fields(rank))),
    may("groups", .byName(.fields(group))), need("network", .fields(network)),
    may("hull", .fields(hull)), may("sources", .byName(.text)),
  ]

  /// What a measured profile was measured on.
  private static let hull: [Field] = [
    may("ranks", .value(.ranks)), may("nodes", .value(.nodes)),
    may("smallest_message", .value(.size)), may("largest_message", .value(.size)),
    may("fewest_rows", .value(.rows)), may("most_rows", .value(.rows)),
  ]

  static let rank: [Field] = [
    need("name", .text), need("kind", .text),
    need("peak", .fields(Precision.allCases.map { may($0.rawValue, .value(.rate)) })),
    need("efficiency", .byQuantity(.rows, .value(.share))),
    need(
      "memory",
      .fields([
        need("bandwidth", .value(.bandwidth)), may("efficiency", .value(.share)),
        need("size", .value(.size)),
      ])),
    may("fixed", .value(.time)), may("per_expert", .value(.time)),
    may("copies", .value(.bandwidth)), may("per_assignment", .value(.time)),
  ]

  private static let group: [Field] = [
    may("nodes", .text), may("ranks", .text), may("rank", .text), may("speed", .value(.speed)),
  ]

  private static let level: [Field] = [
    need("kind", .text), may("latency", .value(.time)), may("bandwidth", .value(.bandwidth)),
    may(
      "segments",
      .byQuantity(
        .size,
        .fields([need("latency", .value(.time)), need("bandwidth", .value(.bandwidth))]))),
    may("line_rate", .value(.bandwidth)), may("total", .value(.bandwidth)),
  ]

  private static let network: [Field] = [
    may("fixed", .value(.time)), may("per_node_share", .value(.time)),
    may("overlap", .value(.share)), may("inside", .fields(level)),
    may("between", .fields(level + [may("ranks_per_port", .value(.ranks))])),
    may(
      "leaf",
      .fields([
        need("nodes", .value(.nodes)), may("oversubscription", .value(.ratio)),
        may("uplinks", .value(.bandwidth)),
      ])),
  ]

  /// What stands behind a path; nil for one that profiles do not have.
  static func shape(at path: [String]) -> Shape? {
    path.reduce(.some(.fields(root))) { shape, key in
      switch shape {
      case .fields(let fields)?: fields.first { $0.name == key }?.shape
      case .byQuantity(_, let shape)?, .byName(let shape)?: shape
      case .value?, .text?, nil: nil
      }
    }
  }
}
