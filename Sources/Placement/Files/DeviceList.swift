// SPDX-License-Identifier: Apache-2.0
// epsim: the expert map of vllm-ascend.

internal import MoE
internal import Workloads

/// The experts of every device of every layer.
///
/// Form: `{"moe_layer_count": L, "layer_list": [{"layer_id": 0, "device_count": R, "device_list":
/// [{"device_id": 0, "device_expert": [...]}]}]}`; layers and devices stand in order.
/// Source: vllm-project/vllm-ascend, `eplb/core/eplb_utils.py` and `expert_load_balancer.py`, which
/// makes one tensor of all layers, so every device has equally many experts.
struct DeviceList {
  private let what: String
  /// [layers][devices][experts]
  private var layers: [[[Int]]] = []

  init(_ fields: JSONFields, what: String) throws {
    self.what = what
    let count = try fields.read("moe_layer_count") {
      try $0.integer("moe_layer_count", accepted: 1...65_536)
    }
    try fields.read("layer_list") { reader in
      try reader.array { try layer(&$0) }
    }
    guard layers.count == count else {
      throw InputError(
        "\(what): moe_layer_count says \(count), layer_list has \(layers.count) layers")
    }
  }

  private mutating func layer(_ reader: inout JSONReader) throws {
    var devices: [[Int]]?
    var deviceCount: Int?
    try reader.object { reader, key in
      switch key {
      case "device_count":
        deviceCount = try reader.integer(key, accepted: 1...ExpertPlacement.maximumSlotCount)
      case "device_list":
        var list: [[Int]] = []
        try reader.array { list.append(try device(&$0, index: list.count)) }
        devices = list
      default: try reader.skip()
      }
    }
    guard let devices, deviceCount == nil || deviceCount == devices.count else {
      throw reader.wrong(
        devices == nil
          ? "layer \(layers.count) of layer_list has no device_list,"
          : "device_count says \(deviceCount!), device_list has \(devices!.count) devices,")
    }
    layers.append(devices)
  }

  private func device(_ reader: inout JSONReader, index: Int) throws -> [Int] {
    var experts: [Int]?
    try reader.object { reader, key in
      switch key {
      case "device_id": _ = try reader.integer(key, accepted: index...index)
      case "device_expert":
        var list: [Int] = []
        try reader.array {
          list.append(
            try $0.integer("a number of device_expert", accepted: SlotTable.expertNumbers))
        }
        experts = list
      default: try reader.skip()
      }
    }
    guard let experts else { throw reader.wrong("device \(index) has no device_expert,") }
    return experts
  }

  /// The slots of all devices, one after the other.
  func table() throws -> SlotTable {
    let sizes = layers[0].map(\.count)
    for (index, layer) in layers.enumerated() where layer.map(\.count) != sizes {
      throw InputError(
        "\(what): the devices of layer \(index) of layer_list hold other numbers of experts than "
          + "those of layer 0")
    }
    var table = SlotTable(rows: layers.map { $0.flatMap { $0 } })
    table.slotsPerRank = sizes
    return table
  }
}
