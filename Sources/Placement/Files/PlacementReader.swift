// SPDX-License-Identifier: Apache-2.0
// epsim: reads placements of servers: JSON of five kinds, arrays, TensorRT-LLM's YAML.

internal import MoE
internal import Workloads

/// Reads a placement that lacks what the run knows: experts, ranks, numbers of layers.
struct PlacementReader {
  let name: String
  let layerLists: [[Int]]
  let expertCount: Int
  let rankCount: Int

  static let yamlKey = "initial_global_assignments"

  /// What error sentences call the file.
  var what: String { "placement \(name)" }

  private func form(_ dimensions: ClosedRange<Int>) -> IntegerArray.Form {
    IntegerArray.Form(dimensions: dimensions, accepted: SlotTable.expertNumbers)
  }

  /// The placement of a table for this run.
  func placement(_ table: SlotTable) throws -> ExpertPlacement {
    try table.placement(
      name: name, layerLists: layerLists, expertCount: expertCount, rankCount: rankCount)
  }

  private func table(_ array: IntegerArray) -> SlotTable {
    SlotTable(array, layerCount: layerLists.first { !$0.isEmpty }?.count ?? 1)
  }

  /// An array [layers, slots] of `phy2log`.
  func npy(_ bytes: [UInt8]) throws -> SlotTable {
    table(try IntegerArray(npy: bytes, form: form(2...2), name: what))
  }

  /// A tensor [layers, slots] of this name, or the only one.
  func safetensors(_ bytes: [UInt8]) throws -> SlotTable {
    table(
      try IntegerArray(
        SafetensorsFile(bytes: bytes, name: what),
        names: ["phy2log", "physical_to_logical_map"], form: form(2...2), name: what))
  }

  /// JSON of any kind; its keys tell which.
  func json(_ bytes: [UInt8]) throws -> ExpertPlacement {
    let fields = try JSONFields(bytes, name: what)
    func array(_ key: String?, _ dimensions: ClosedRange<Int>) throws -> IntegerArray {
      try fields.read(key) { reader in
        try IntegerArray(&reader, field: key ?? "the list", form: form(dimensions))
      }
    }
    if fields.has("schema") {
      let placement = try ExpertPlacement(json: bytes, file: name)
      guard placement.expertCount == expertCount, placement.rankCount == rankCount else {
        throw InputError(
          "\(what) is for \(placement.expertCount) experts on \(placement.rankCount) ranks, needed "
            + "are \(expertCount) experts on \(rankCount) ranks")
      }
      return placement
    }
    if fields.isList { return try placement(table(array(nil, 1...2))) }
    if fields.has("phy2log") { return try placement(table(array("phy2log", 2...2))) }
    if fields.has("physical_to_logical_map") {
      return try placement(table(array("physical_to_logical_map", 2...2)))
    }
    if fields.has("log2phy") { return try placement(slots(ofReplicas: fields)) }
    if fields.has("expert_to_ep_rank") {
      return try placement(slots(ofRanks: array("expert_to_ep_rank", 1...1)))
    }
    if fields.has("layer_list") { return try placement(DeviceList(fields, what: what).table()) }
    if fields.has(Self.yamlKey) { return try placement(yaml(bytes)) }
    let keys = fields.keys.prefix(8).map { InputError.excerpt($0) }.joined(separator: ", ")
    throw InputError(
      "\(what): this is not the JSON of a placement, its keys are \(keys.isEmpty ? "none" : keys), "
        + "needed is one of schema, phy2log, log2phy, physical_to_logical_map, expert_to_ep_rank, "
        + "layer_list, \(Self.yamlKey)")
  }

  /// [layers][experts][replicas] slots, -1 where an expert has fewer.
  ///
  /// Source: deepseek-ai/EPLB, `rebalance_experts`.
  private func slots(ofReplicas fields: JSONFields) throws -> SlotTable {
    let array = try fields.read("log2phy") { reader in
      try IntegerArray(
        &reader, field: "log2phy",
        form: .init(dimensions: 3...3, accepted: -1...ExpertPlacement.maximumSlotCount - 1))
    }
    let (experts, replicas) = (array.shape[1], array.shape[2])
    var rows: [[Int]] = []
    for layer in 0..<array.shape[0] {
      let slots = array[row: layer]
      let slotCount = (slots.max() ?? -1) + 1
      guard slotCount <= slots.count else {
        throw InputError(
          "\(what): log2phy names slot \(slotCount - 1) in row \(layer), its \(experts) experts have "
            + "at most \(slots.count) slots")
      }
      var row = Array(repeating: -1, count: slotCount)
      for (index, slot) in slots.enumerated() where slot >= 0 {
        guard row[slot] < 0 else {
          throw InputError(
            "\(what): log2phy puts experts \(row[slot]) and \(index / replicas) into slot \(slot) of "
              + "row \(layer)")
        }
        row[slot] = index / replicas
      }
      if let empty = row.firstIndex(of: -1) {
        throw InputError("\(what): log2phy puts no expert into slot \(empty) of row \(layer)")
      }
      rows.append(row)
    }
    return SlotTable(rows: rows)
  }

  /// [experts] rank of each, alike in all layers; experts of a rank in ascending order.
  private func slots(ofRanks array: IntegerArray) throws -> SlotTable {
    guard array.values.count == expertCount else {
      throw InputError(
        "\(what): expert_to_ep_rank has \(array.values.count) experts, needed are \(expertCount)")
    }
    var experts = Array(repeating: [Int](), count: rankCount)
    for (expert, rank) in array.values.enumerated() {
      guard rank < rankCount else {
        throw InputError(
          "\(what): expert \(expert) is on rank \(rank), accepted are 0...\(rankCount - 1)")
      }
      experts[rank].append(expert)
    }
    let layers = layerLists.first { !$0.isEmpty } ?? [0]
    var table = SlotTable(
      rows: Array(repeating: experts.flatMap { $0 }, count: layers.count))
    (table.layers, table.slotsPerRank) = (layers, experts.map(\.count))
    return table
  }

  /// YAML or JSON with a list of slots per layer in the model's numbering.
  func yaml(_ bytes: [UInt8]) throws -> SlotTable {
    try AssignmentFile(bytes, what: what).table
  }
}
