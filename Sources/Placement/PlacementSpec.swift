// SPDX-License-Identifier: Apache-2.0
// epsim: how a placement is written on the command line.

public import CostModel
internal import MoE
public import Workloads

/// A placement as written: `NAME[+EXTRA][:PARAM]`, or the path of a file.
public struct PlacementSpec: Sendable, Equatable, CustomStringConvertible {
  /// The rule, or the file.
  public enum Rule: Sendable, Equatable {
    case contiguous
    case roundRobin
    case random(seed: UInt64)
    case lpt
    case eplb(EPLBPlacement.Policy)
    case file(path: String)
  }

  /// The most extra slots that are accepted.
  public static let maximumExtraSlots = 65_536

  /// The rule, or the file.
  public let rule: Rule
  /// Slots beyond one per expert, over all ranks.
  public let extraSlots: Int
  /// As it was written; tables call the placement this.
  public let description: String

  /// Experts in blocks of consecutive numbers.
  public static let contiguous = PlacementSpec()

  private init() {
    rule = .contiguous
    extraSlots = 0
    description = "contiguous"
  }

  /// Whether the placement depends on a load.
  public var needsLoad: Bool {
    switch rule {
    case .lpt, .eplb: true
    case .contiguous, .roundRobin, .random, .file: false
    }
  }

  static let accepted =
    "contiguous, round-robin, random[:SEED], lpt, eplb[+EXTRA][:global or :hierarchical], or the "
    + "path of a .json or .csv file"

  /// Parses what a person wrote; does not open the file.
  ///
  /// - Throws: ``InputError`` that says what is accepted.
  public init(parsing text: String) throws {
    description = text
    if text.contains("/") || text.hasSuffix(".json") || text.hasSuffix(".csv") {
      rule = .file(path: text)
      extraSlots = 0
      return
    }
    let (head, parameter) = Self.cut(text, at: ":")
    let (name, extra) = Self.cut(head, at: "+")
    switch (name, parameter) {
    case ("contiguous", nil): rule = .contiguous
    case ("round-robin", nil): rule = .roundRobin
    case ("lpt", nil): rule = .lpt
    case ("random", nil): rule = .random(seed: 1)
    case ("random", .some(let word)):
      guard let seed = UInt64(word), word.first != "+" else {
        throw InputError(
          "placement \(text): the seed \"\(word)\" is not a whole number from 0 to \(UInt64.max)")
      }
      rule = .random(seed: seed)
    case ("eplb", nil): rule = .eplb(.automatic)
    case ("eplb", "global"): rule = .eplb(.global)
    case ("eplb", "hierarchical"): rule = .eplb(.hierarchical)
    case ("eplb", .some(let word)):
      throw InputError(
        "placement \(text): eplb has no form \"\(word)\", accepted are global and hierarchical")
    case ("contiguous", _), ("round-robin", _), ("lpt", _):
      throw InputError("placement \(text): \(name) takes nothing after a colon")
    default:
      throw InputError("placement \"\(text)\" is unknown, accepted are \(Self.accepted)")
    }
    guard let extra else {
      extraSlots = 0
      return
    }
    guard name == "eplb" else {
      throw InputError(
        "placement \(text): \(name) makes no replicas, only eplb accepts extra slots")
    }
    guard let count = Int(extra), extra.first != "+", (0...Self.maximumExtraSlots).contains(count)
    else {
      throw InputError(
        "placement \(text): \"\(extra)\" extra slots, accepted are whole numbers from 0 to "
          + "\(Self.maximumExtraSlots)")
    }
    extraSlots = count
  }

  private static func cut(_ text: String, at separator: Character) -> (String, String?) {
    let parts = text.split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false)
    return (String(parts[0]), parts.count == 2 ? String(parts[1]) : nil)
  }

  /// Makes the placement.
  ///
  /// - Parameters:
  ///   - load: the layers to place and, where ``needsLoad``, the load that they are fitted to.
  ///   - topology: ranks and nodes.
  ///   - groups: groups of consecutive experts that hierarchical EPLB keeps on a node.
  ///   - modelLayers: all layers with experts of the model; the lines of a CSV stand for these,
  ///     or for the layers of `load` if there are as many.
  ///   - readFile: the bytes of the file that the spec names.
  /// - Throws: ``InputError`` when the strategy or the file does not fit.
  public func place(
    load: LoadHistogram, topology: Topology, groups: Int, modelLayers: [Int],
    readFile: (String) throws -> [UInt8] = { try InputFile.bytes(ofPath: $0, kind: "placement") }
  ) throws -> ExpertPlacement {
    let strategy: any PlacementStrategy =
      switch rule {
      case .contiguous: ContiguousPlacement()
      case .roundRobin: RoundRobinPlacement()
      case .random(let seed): RandomPlacement(seed: seed)
      case .lpt: LPTPlacement()
      case .eplb(let policy): EPLBPlacement(policy: policy)
      case .file(let path):
        FilePlacement(path: path, bytes: try readFile(path), modelLayers: modelLayers)
      }
    return try strategy.place(
      PlacementProblem(load: load, topology: topology, groups: groups, extraSlots: extraSlots),
      name: description)
  }
}
