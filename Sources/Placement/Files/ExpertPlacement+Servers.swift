// SPDX-License-Identifier: Apache-2.0
// epsim: writes placements for servers.

internal import MoE
internal import Workloads

extension ExpertPlacement {
  /// JSON of what DeepSeek's EPLB returns.
  ///
  /// Source: deepseek-ai/EPLB, `rebalance_experts`: phy2log [layers, slots], log2phy
  /// [layers, experts, most replicas] with -1 where an expert has fewer, logcnt [layers, experts].
  func deepseek() throws -> [UInt8] {
    try requireEqualSlots(for: .deepseek)
    let replicas = replicaTable()
    let log2phy = replicas.slots.map { IntegerArray.json($0) }.joined(separator: ",\n")
    return Array(
      ("{\"phy2log\": \(lines(physicalToLogical)),\n\"log2phy\": [\n\(log2phy)\n],\n\"logcnt\": "
        + "\(lines(replicas.counts))}\n").utf8)
  }

  /// The array phy2log, [layers, slots].
  func npy() throws -> [UInt8] {
    try requireEqualSlots(for: .npy)
    return IntegerArray(
      shape: [layers.count, slotCount], values: physicalToLogical.flatMap { $0.map(Int.init) }
    ).npy()
  }

  /// The three tensors of DeepSeek's EPLB.
  func safetensors() throws -> [UInt8] {
    try requireEqualSlots(for: .safetensors)
    let replicas = replicaTable()
    func content(_ name: String, _ shape: [Int], _ values: [Int]) -> SafetensorsFile.Content {
      .init(name: name, elementType: .i64, shape: shape, values: values.map(Int64.init))
    }
    return try SafetensorsFile(
      contents: [
        content(
          "phy2log", [layers.count, slotCount], physicalToLogical.flatMap { $0.map(Int.init) }),
        content(
          "log2phy", [layers.count, expertCount, replicas.slots[0][0].count],
          replicas.slots.flatMap { $0.flatMap { $0 } }),
        content("logcnt", [layers.count, expertCount], replicas.counts.flatMap { $0 }),
      ],
      metadata: [:]
    ).encoded()
  }

  /// JSON for SGLang's `--init-expert-location`, rows for every layer from 0: those without experts
  /// hold slot number mod experts.
  ///
  /// Source: sgl-project/sglang, `srt/eplb/expert_location.py`, `init_by_mapping`; the filling is
  /// that of its `init_trivial`.
  func sglang() throws -> [UInt8] {
    try requireEqualSlots(for: .sglang)
    let trivial = (0..<slotCount).map { Int32($0 % expertCount) }
    let rows = (0...(layers.max() ?? 0)).map { layer in
      row(ofLayer: layer).map { physicalToLogical[$0] } ?? trivial
    }
    return Array("{\"physical_to_logical_map\": \(lines(rows))}\n".utf8)
  }

  /// JSON of vLLM's expert-to-rank map.
  ///
  /// Source: vllm-project/vllm, proposal 34297 and pull request 34811 (`--expert-placement-file`).
  /// - Throws: `InputError` where experts have replicas or layers differ.
  func vllm() throws -> [UInt8] {
    guard extraSlotCount == 0, Set(rankLists).count == 1 else {
      throw InputError(
        "placement \(name): "
          + (extraSlotCount > 0
            ? "\(extraSlotCount) extra slots, the vllm format has one rank for each expert"
            : "its layers differ, the vllm format has one list for all of them")
          + "; write vllm-eplb")
    }
    return Array("{\"expert_to_ep_rank\": \(IntegerArray.json(rankLists[0]))}\n".utf8)
  }

  /// JSON for vLLM's `initial_expert_map_path`.
  ///
  /// Source: vllm-project/vllm, pull request 49572.
  func vllmEPLB() throws -> [UInt8] {
    try requireEqualSlots(for: .vllmEPLB)
    return Array((lines(physicalToLogical) + "\n").utf8)
  }

  /// JSON for vllm-ascend, see ``DeviceList``.
  func vllmAscend() throws -> [UInt8] {
    try requireEqualSlots(for: .vllmAscend)
    let list = physicalToLogical.enumerated().map { index, row in
      let devices = (0..<rankCount).map { rank in
        "{\"device_id\": \(rank), \"device_expert\": "
          + "\(IntegerArray.json(row[slots(ofRank: rank)]))}"
      }.joined(separator: ",\n")
      return "{\"layer_id\": \(index), \"device_count\": \(rankCount), \"device_list\": [\n"
        + devices + "]}"
    }.joined(separator: ",\n")
    return Array("{\"moe_layer_count\": \(layers.count), \"layer_list\": [\n\(list)]}\n".utf8)
  }

  /// YAML for TensorRT-LLM, see ``AssignmentFile``; no layer is updated while it runs.
  func tensorRTLLM() throws -> [UInt8] {
    try requireEqualSlots(for: .tensorRTLLM)
    var text = "initial_global_assignments:\n"
    for (layer, row) in zip(layers, physicalToLogical) {
      text += "  \(layer): \(IntegerArray.json(row))\n"
    }
    return Array((text + "layer_updates_per_iter: 0\nnum_slots: \(slotCount)\n").utf8)
  }

  /// [rows][E] rank of each expert's first slot.
  private var rankLists: [[Int]] {
    physicalToLogical.map { row in
      var ranks = Array(repeating: 0, count: expertCount)
      for (slot, expert) in row.enumerated().reversed() { ranks[Int(expert)] = rank(ofSlot: slot) }
      return ranks
    }
  }

  /// log2phy [rows][E][most replicas], padded with -1, and logcnt [rows][E].
  private func replicaTable() -> (slots: [[[Int]]], counts: [[Int]]) {
    let counts = layers.indices.map { replicaCounts(layerRow: $0) }
    let most = counts.compactMap { $0.max() }.max() ?? 1
    let slots = physicalToLogical.map { row in
      var slots = Array(repeating: [Int](), count: expertCount)
      for (slot, expert) in row.enumerated() { slots[Int(expert)].append(slot) }
      return slots.map { $0 + Array(repeating: -1, count: most - $0.count) }
    }
    return (slots, counts)
  }

  private func lines(_ rows: [[some FixedWidthInteger]]) -> String {
    "[\n" + rows.map { IntegerArray.json($0) }.joined(separator: ",\n") + "\n]"
  }

  private func requireEqualSlots(for format: PlacementFormat) throws {
    guard slotCount.isMultiple(of: rankCount),
      SlotLayout.proportional(slotCount: slotCount, rankCount: rankCount) == slotOffsets
    else {
      throw InputError(
        "placement \(name): \(slotCount) slots on \(rankCount) ranks cannot be written as "
          + "\(format.rawValue), which has equally many on every rank; write own JSON")
    }
  }
}
