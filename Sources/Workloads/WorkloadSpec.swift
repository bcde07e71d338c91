// SPDX-License-Identifier: Apache-2.0
// epsim: how a workload is written on the command line.

internal import MoE

/// A workload as written: a trace file or a generator.
public enum WorkloadSpec: Sendable, Equatable, CustomStringConvertible {
  /// A generator of the ``catalogue``.
  case generated(GeneratorSpec)
  /// A recorded trace.
  case trace(path: String)

  /// The generators and what else is accepted, in words.
  public static var accepted: String {
    let names = catalogue.map { entry in
      let first = entry.parameters.first.map { "[:\($0.name.uppercased())]" } ?? ""
      return entry.name + (entry.takesFile ? ":FILE" : first)
        + (entry.alias.map { " (\($0))" } ?? "")
    }
    return names.joined(separator: ", ")
      + ", router or router:NAME, or the path of a trace (with a / or ending in .safetensors)"
  }

  /// Parses what a person wrote; does not open the file.
  ///
  /// - Throws: ``InputError`` that lists what is accepted.
  public init(parsing text: String) throws {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts[0])
    if let entry = Self.catalogue.first(where: { $0.name == name || $0.alias == name }) {
      self = .generated(
        try GeneratorSpec(entry, parsing: parts.count == 2 ? String(parts[1]) : nil, of: text))
    } else if text.contains("/") || text.hasSuffix(".safetensors") {
      self = .trace(path: text)
    } else {
      throw InputError("workload \"\(text)\" is unknown, accepted are \(Self.accepted)")
    }
  }

  public var description: String {
    switch self {
    case .generated(let spec): spec.description
    case .trace(let path): path
    }
  }

  /// The load file that the generator needs; nil for all others.
  public var loadPath: String? {
    guard case .generated(let spec) = self else { return nil }
    return spec.path
  }

  /// How tokens must be dealt to ranks for this workload to mean anything; nil for no matter how.
  public var requiredAssignment: TokenAssignment? {
    guard case .generated(let spec) = self, spec.name == "ragged" else { return nil }
    return .ragged
  }

  /// The generator of this spec; nil for a trace, which is read as a ``RoutingTrace``.
  ///
  /// - Parameters:
  ///   - layerCount: all layers of the model.
  ///   - tokensPerStep: T; only `balanced` depends on it.
  ///   - load: the contents of the file at ``loadPath``, for this E.
  /// - Throws: ``InputError`` where the parameters do not fit the shape.
  /// - Precondition: 1 <= K <= E; at least one token; the load is there if there is a `loadPath`.
  public func generator(
    expertCount: Int, topK: Int, layerCount: Int, seed: UInt64, tokensPerStep: Int,
    load: LoadHistogram? = nil
  ) throws -> (any RoutingSource)? {
    guard case .generated(let spec) = self else { return nil }
    return try spec.entry.make(
      spec,
      GeneratorEntry.Shape(
        expertCount: expertCount, topK: topK, layerCount: layerCount,
        tokensPerStep: tokensPerStep, seed: seed, load: load))
  }
}
