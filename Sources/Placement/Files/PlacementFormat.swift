// SPDX-License-Identifier: Apache-2.0
// epsim: the formats of placement files, and which of them a file has.

internal import MoE
internal import Workloads

/// A format of placement files.
///
/// Only `own` holds everything; the others lack the ranks, the layers' numbers or both, which then
/// come from the run that reads them.
public enum PlacementFormat: String, Sendable, CaseIterable {
  /// JSON with all that there is to know, schema `epsim-placement/1`.
  case own
  /// A line of slots per layer.
  case csv
  /// JSON of what DeepSeek's EPLB returns: `phy2log`, `log2phy`, `logcnt`.
  case deepseek
  /// A NumPy array of `phy2log`, [layers, slots].
  case npy
  /// The three tensors of DeepSeek's EPLB in safetensors.
  case safetensors
  /// JSON for SGLang's `--init-expert-location`: `physical_to_logical_map`.
  case sglang
  /// JSON of vLLM's expert-to-rank map, one for all layers and without replicas.
  case vllm
  /// JSON for vLLM's `initial_expert_map_path`: lists of slots.
  case vllmEPLB = "vllm-eplb"
  /// JSON for vllm-ascend's `expert_map_path`.
  case vllmAscend = "vllm-ascend"
  /// YAML for TensorRT-LLM's `load_balancer`.
  case tensorRTLLM = "trtllm"

  /// All names, for sentences and help.
  public static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

  /// The format that a name asks for.
  ///
  /// - Parameter option: where it was written, for the error sentence.
  /// - Throws: ``InputError`` that lists the names.
  public init(parsing text: String, option: String) throws {
    guard let format = Self(rawValue: text) else {
      throw InputError("\(option) \(InputError.excerpt(text)), accepted are \(Self.names)")
    }
    self = format
  }

  /// The format that the ending of a path asks for; nil where the ending is none of ours.
  public init?(ofOutput path: String) {
    guard let format = Self.allCases.first(where: { $0.endings.contains(where: path.hasSuffix) })
    else { return nil }
    self = format
  }

  /// What the paths of files of this format end in.
  public var endings: [String] {
    switch self {
    case .own, .deepseek, .sglang, .vllm, .vllmEPLB, .vllmAscend: [".json"]
    case .csv: [".csv"]
    case .npy: [".npy"]
    case .safetensors: [".safetensors"]
    case .tensorRTLLM: [".yaml", ".yml"]
    }
  }
}

extension ExpertPlacement {
  /// Endings of paths that are placements; anything with a slash is one too.
  static let fileEndings = [".json", ".csv", ".npy", ".safetensors", ".yaml", ".yml"]

  /// Takes a placement from the bytes of a file, whose content tells the format.
  ///
  /// - Parameters:
  ///   - path: what error sentences call the file.
  ///   - layerLists: what rows may stand for that the file does not number; the first list that
  ///     fits is taken.
  ///   - expertCount: E of the model.
  ///   - rankCount: R of the run.
  /// - Throws: ``InputError`` when the file is invalid or made for other sizes.
  public init(
    bytes: [UInt8], path: String, layerLists: [[Int]], expertCount: Int, rankCount: Int
  ) throws {
    let reader = PlacementReader(
      name: path, layerLists: layerLists, expertCount: expertCount, rankCount: rankCount)
    let first = bytes.first { $0 > 0x20 }
    if path.hasSuffix(".csv") {
      try self.init(
        csv: bytes, file: path, layerLists: layerLists, expertCount: expertCount,
        rankCount: rankCount)
    } else if IntegerArray.isNPY(bytes) {
      self = try reader.placement(reader.npy(bytes))
    } else if IntegerArray.isSafetensors(bytes) {
      self = try reader.placement(reader.safetensors(bytes))
    } else if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
      self = try reader.json(bytes)
    } else if path.hasSuffix(".yaml") || path.hasSuffix(".yml")
      || String(decoding: bytes.prefix(65_536), as: UTF8.self).contains(PlacementReader.yamlKey)
    {
      self = try reader.placement(reader.yaml(bytes))
    } else {
      throw InputError(
        "placement \(path): neither its name nor its content tells the format, accepted are "
          + PlacementFormat.names)
    }
  }

  /// The bytes of a file in a format.
  ///
  /// - Throws: ``InputError`` when the format cannot hold the placement.
  public func encoded(as format: PlacementFormat) throws -> [UInt8] {
    switch format {
    case .own: try json()
    case .csv: try csv()
    case .deepseek: try deepseek()
    case .npy: try npy()
    case .safetensors: try safetensors()
    case .sglang: try sglang()
    case .vllm: try vllm()
    case .vllmEPLB: try vllmEPLB()
    case .vllmAscend: try vllmAscend()
    case .tensorRTLLM: try tensorRTLLM()
    }
  }

  /// Writes a placement file in a format, or in that which the path's ending asks for, own JSON
  /// where it asks for none.
  ///
  /// - Throws: ``InputError`` when the path cannot be written to or the format cannot hold the
  ///   placement.
  public func write(toPath path: String, as format: PlacementFormat? = nil) throws {
    try OutputFile.write(
      encoded(as: format ?? PlacementFormat(ofOutput: path) ?? .own), toPath: path)
  }
}
