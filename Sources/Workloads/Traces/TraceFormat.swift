// SPDX-License-Identifier: Apache-2.0
// epsim: the formats of routing traces, told apart by name and content.

internal import MoE

/// A format that traces are read from and written to.
public enum TraceFormat: String, Sendable, CaseIterable {
  /// epsim's own: ids, weights, sequences and origin in one file.
  case safetensors
  /// A NumPy array of ids, one of weights beside it.
  case npy
  /// Expert scores of ESFT: a text file for each layer.
  case esft
  /// The router trace of Megatron-LM: JSON lines.
  case megatron
  /// `routed_experts` in responses of SGLang and vLLM: JSON.
  case routedExperts = "routed-experts"

  /// All names, for help and errors.
  public static let names = allCases.map(\.rawValue).joined(separator: ", ")

  /// Parses a name.
  ///
  /// - Throws: ``InputError`` that lists the formats.
  public init(parsing text: String, option: String) throws {
    guard let format = Self(rawValue: text) else {
      throw InputError("\(option) \(text.debugDescription), accepted are \(Self.names)")
    }
    self = format
  }

  /// The format of something that exists, by its content and then its name.
  ///
  /// - Throws: ``InputError`` when neither tells.
  public init(ofInput path: String) throws {
    if InputFile.isFolder(path) {
      let names = try InputFile.names(inFolder: path, kind: "trace")
      if names.contains(where: { ESFTTrace.layer(ofFile: $0) != nil }) {
        self = .esft
      } else if names.contains(where: MegatronTrace.isTraceFile) {
        self = .megatron
      } else {
        throw InputError(
          "trace \(path): a folder without \(ESFTTrace.prefix)LAYER.txt or "
            + "\(MegatronTrace.prefix)RANK.jsonl")
      }
      return
    }
    let bytes = try InputFile.mapped(ofPath: path, kind: "trace")
    let start = bytes.withBytes { [UInt8]($0.prefix(4096)) }
    if start.starts(with: NPYHeader.magic) {
      self = .npy
    } else if path.hasSuffix(".safetensors") || Self.hasSafetensorsHeader(start) {
      self = .safetensors
    } else if path.hasSuffix(".npy") {
      self = .npy
    } else if let first = start.first(where: { $0 > 0x20 }),
      first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    {
      let text = String(decoding: start, as: UTF8.self)
      self =
        text.contains("\"top_indices\"") || text.contains("\"num_tokens\"")
        ? .megatron : .routedExperts
    } else if path.hasSuffix(".txt") {
      self = .esft
    } else {
      throw InputError(
        "trace \(path): neither its name nor its content tells the format, name it with --from "
          + "(\(Self.names))")
    }
  }

  /// Whether a file starts with a short length and then a JSON object.
  private static func hasSafetensorsHeader(_ start: [UInt8]) -> Bool {
    start.count > 8 && start[8] == UInt8(ascii: "{") && start[4..<8].allSatisfy { $0 == 0 }
  }

  /// The format that a name asks for.
  ///
  /// - Throws: ``InputError`` when the ending is none of a format.
  public init(ofOutput path: String) throws {
    let endings: [(String, Self)] = [
      (".safetensors", .safetensors), (".npy", .npy), (".jsonl", .megatron),
      (".json", .routedExperts), ("/", .esft),
    ]
    guard let format = endings.first(where: { path.hasSuffix($0.0) })?.1 else {
      throw InputError(
        "\(path): the ending tells no format, accepted are .safetensors, .npy, .jsonl (megatron), "
          + ".json (routed-experts) and a folder with / at its end (esft); or name it with --to")
    }
    self = format
  }

  /// Opens a trace of this format.
  ///
  /// - Throws: ``InputError`` when it is not valid, lacks something that the options do not say, or
  ///   contradicts them.
  public func open(path: String, options: TraceReadOptions) throws -> OpenedTrace {
    if options.weightsPath != nil, self != .npy {
      throw InputError("--weights is of traces in npy, \(path) is read as \(rawValue)")
    }
    if options.skippedLayers != 0, self != .npy, self != .routedExperts {
      throw InputError(
        "--skip-layers is of traces in npy and routed-experts, \(path) is read as \(rawValue)")
    }
    let opened =
      switch self {
      case .safetensors: OpenedTrace(source: try TraceFile(path: path), notes: [])
      case .npy: try NPYTrace.open(path: path, options: options)
      case .esft: try ESFTTrace.open(path: path, options: options)
      case .megatron: try MegatronTrace.open(path: path, options: options)
      case .routedExperts: try RoutedExpertsTrace.open(path: path, options: options)
      }
    try options.check(opened.source.shape)
    return opened
  }

  /// Writes a trace in this format; it appears whole or not at all.
  ///
  /// - Parameter origin: what the trace is about, where the format holds it.
  /// - Returns: remarks on what the format cannot hold.
  /// - Throws: ``InputError`` when the source holds invalid values or nothing can be written there.
  public func write(
    _ source: any TraceSource, origin: RoutingTrace.Origin, toPath path: String
  ) throws -> [String] {
    switch self {
    case .safetensors:
      try SafetensorsTraceWriter.write(source, origin: origin, toPath: path)
      return []
    case .npy: return try NPYTrace.write(source, toPath: path)
    case .esft: return try ESFTTrace.write(source, toPath: path)
    case .megatron: return try MegatronTrace.write(source, toPath: path)
    case .routedExperts: return try RoutedExpertsTrace.write(source, toPath: path)
    }
  }
}
