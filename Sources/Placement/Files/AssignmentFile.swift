// SPDX-License-Identifier: Apache-2.0
// epsim: the load balancer configuration of TensorRT-LLM.

internal import MoE
internal import Workloads
internal import Yams

/// The slots of some layers in TensorRT-LLM's configuration.
///
/// Form: `num_slots: P` and `initial_global_assignments: {LAYER: [expert of each slot]}`, layers in
/// the model's numbering, slots of a rank consecutive. Other keys are left alone.
/// Source: NVIDIA/TensorRT-LLM, `examples/wide_ep/ep_load_balancer/generate_eplb_config.py`.
struct AssignmentFile {
  /// Layers and their slots, layers ascending.
  let table: SlotTable

  init(_ bytes: [UInt8], what: String) throws {
    // An alias can stand for a text of any length; no such file needs one.
    if let mark = bytes.first(where: { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: "*") }) {
      throw InputError(
        "\(what): \(Unicode.Scalar(mark)) stands in it, YAML is accepted without anchors and aliases"
      )
    }
    let root: Node?
    do {
      root = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self))
    } catch {
      let reason = "\(error)".split(separator: "\n").first.map(String.init) ?? "unreadable"
      throw InputError("\(what) is not YAML: \(InputError.excerpt(reason))")
    }
    func value(_ key: String) throws -> Node {
      guard case .mapping(let mapping)? = root, let value = mapping[key] else {
        throw InputError("\(what): the key \(key) is missing")
      }
      return value
    }
    let slotCount = try Self.number(
      value("num_slots"), accepted: 1...ExpertPlacement.maximumSlotCount, "num_slots", what)
    guard case .mapping(let assignments) = try value(PlacementReader.yamlKey) else {
      throw InputError(
        "\(what): \(PlacementReader.yamlKey) is no mapping of layers to lists of experts")
    }
    var rows: [Int: [Int]] = [:]
    for (key, list) in assignments {
      let layer = try Self.number(key, accepted: 0...65_535, "a layer", what)
      guard case .sequence(let experts) = list, experts.count == slotCount else {
        let found = list.sequence.map { "\($0.count) experts" } ?? "no list of experts"
        throw InputError(
          "\(what): layer \(layer) has \(found), needed is a list of \(slotCount), the num_slots")
      }
      rows[layer] = try experts.enumerated().map { slot, expert in
        try Self.number(
          expert, accepted: SlotTable.expertNumbers, "the expert of layer \(layer), slot \(slot)",
          what)
      }
    }
    let layers = rows.keys.sorted()
    guard layers.count == assignments.count, !layers.isEmpty else {
      throw InputError(
        "\(what): \(PlacementReader.yamlKey) has \(layers.count) different layers in "
          + "\(assignments.count) entries")
    }
    var table = SlotTable(rows: layers.map { rows[$0]! })
    table.layers = layers
    self.table = table
  }

  private static func number(
    _ node: Node, accepted: ClosedRange<Int>, _ field: String, _ what: String
  ) throws -> Int {
    let text = node.scalar?.string
    guard let text, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text),
      accepted.contains(number)
    else {
      throw InputError(
        "\(what): \(field) is \(text.map { InputError.excerpt($0) } ?? "no number"), accepted are "
          + "whole numbers from \(accepted.lowerBound) to \(accepted.upperBound)")
    }
    return number
  }
}
