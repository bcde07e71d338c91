// SPDX-License-Identifier: Apache-2.0
// epsim: how a placement is written on the command line.

public import CostModel
internal import MoE
public import Workloads

/// A placement as written: `NAME[+EXTRA][:PARAM][:KEY=PARAM]`, or the path of a file.
public struct PlacementSpec: Sendable, Equatable, CustomStringConvertible {
  /// The most extra slots that are accepted.
  public static let maximumExtraSlots = 65_536

  /// The strategy's name in the ``catalogue``; nil for a file.
  public let strategyName: String?
  /// The file; nil for a strategy.
  public let filePath: String?
  /// Slots beyond one per expert, over all ranks.
  public let extraSlots: Int
  /// Whether the number of extra slots is written; it else follows from the slots of the ranks.
  private let saysExtraSlots: Bool
  /// As it was written; tables call the placement this.
  public let description: String
  private let values: SpecValues

  /// Experts in blocks of consecutive numbers.
  public static let contiguous = PlacementSpec(name: "contiguous")

  /// Heavy experts first.
  public static let lpt = PlacementSpec(name: "lpt")

  private init(name: String) {
    (strategyName, filePath, extraSlots, values) = (name, nil, 0, SpecValues())
    description = name
    saysExtraSlots = false
  }

  public static func == (left: PlacementSpec, right: PlacementSpec) -> Bool {
    left.description == right.description
  }

  /// The entry of the catalogue; nil for a file.
  public var entry: StrategyEntry? {
    strategyName.flatMap { name in Self.catalogue.first { $0.name == name } }
  }

  /// What the placement is fitted to.
  public var fitting: StrategyEntry.Fitting { entry?.fitting ?? .none }

  /// Whether the placement depends on a load.
  public var needsLoad: Bool { fitting >= .load }

  static var accepted: String {
    catalogue.map(\.usage).joined(separator: ", ")
      + ", or the path of a file (\(ExpertPlacement.fileEndings.joined(separator: " ")), of other "
      + "endings with a slash, as ./plan.sglang)"
  }

  /// Parses what a person wrote; does not open the file.
  ///
  /// - Throws: ``InputError`` that says what is accepted.
  public init(parsing text: String) throws {
    description = text
    if text.contains("/") || ExpertPlacement.fileEndings.contains(where: text.hasSuffix) {
      (strategyName, filePath, extraSlots, values) = (nil, text, 0, SpecValues())
      saysExtraSlots = false
      return
    }
    let (head, parameters) = Self.cut(text, at: ":")
    let (name, extra) = Self.cut(head, at: "+")
    saysExtraSlots = extra != nil
    guard let entry = Self.catalogue.first(where: { $0.name == name }) else {
      throw InputError("placement \"\(text)\" is unknown, accepted are \(Self.accepted)")
    }
    (strategyName, filePath) = (name, nil)
    values = try SpecValues(
      entry.parameters, parsing: parameters, of: name, place: "placement \(text)")
    guard let extra else {
      extraSlots = 0
      return
    }
    guard entry.makesReplicas else {
      let others = Self.catalogue.filter(\.makesReplicas).map(\.name)
      throw InputError(
        "placement \(text): \(name) makes no replicas, extra slots are accepted after "
          + others.joined(separator: ", "))
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

  /// Makes the placement for a problem, whose extra slots are those of this spec.
  ///
  /// - Parameters:
  ///   - modelLayers: all layers with experts of the model; the lines of a CSV stand for these,
  ///     or for the layers of the problem if there are as many.
  ///   - readFile: the bytes of the file that the spec names.
  /// - Throws: ``InputError`` when the strategy or the file does not fit.
  public func place(
    _ problem: PlacementProblem, modelLayers: [Int],
    readFile: (String) throws -> [UInt8] = { try InputFile.bytes(ofPath: $0, kind: "placement") }
  ) throws -> ExpertPlacement {
    try solve(problem, modelLayers: modelLayers, readFile: readFile).placement
  }

  /// The same with the reason, where the strategy has one to tell.
  ///
  /// - Throws: ``InputError`` as ``place(_:modelLayers:readFile:)``.
  public func solve(
    _ problem: PlacementProblem, modelLayers: [Int],
    readFile: (String) throws -> [UInt8] = { try InputFile.bytes(ofPath: $0, kind: "placement") }
  ) throws -> SolvedPlacement {
    var problem = problem
    problem.extraSlots = extraSlots
    try problem.checkRanks(for: description)
    if let filePath {
      return try FilePlacement(
        path: filePath, bytes: try readFile(filePath), modelLayers: modelLayers
      ).solve(problem, name: description)
    }
    guard let entry else { preconditionFailure("no strategy \(description)") }
    if problem.slotsPerRank != nil, !entry.choosesSlots {
      let free = problem.slotCount - problem.load.expertCount
      if entry.makesReplicas, !saysExtraSlots, free >= 0 { problem.extraSlots = free }
      try problem.requireSlots(
        problem.load.expertCount + problem.extraSlots, for: description,
        because: entry.makesReplicas
          ? "one for each expert and \(problem.extraSlots) extra ones"
          : "because it makes no replicas")
    }
    return try entry.make(values).solve(problem, name: description)
  }

  /// The same for a problem of a load and ranks alone.
  public func place(
    load: LoadHistogram, topology: Topology, groups: Int, modelLayers: [Int],
    readFile: (String) throws -> [UInt8] = { try InputFile.bytes(ofPath: $0, kind: "placement") }
  ) throws -> ExpertPlacement {
    try place(
      PlacementProblem(load: load, topology: topology, groups: groups), modelLayers: modelLayers,
      readFile: readFile)
  }
}
