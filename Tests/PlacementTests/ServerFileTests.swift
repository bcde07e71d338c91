// SPDX-License-Identifier: Apache-2.0
// epsim: tests of placement files of servers: read, written, read back, damaged.

import CostModel
import Foundation
import MoE
import Placement
import Testing
import Workloads

@Suite struct ServerFileTests {
  static let readme: [[Int32]] = [
    [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
    [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
  ]

  static let files = [
    "phy2log.npy", "eplb.json", "sglang.json", "vllm-slots.json", "vllm-ascend.json", "trtllm.yaml",
  ]

  private func read(
    _ bytes: [UInt8], _ path: String, layers: [[Int]] = [[1, 2]], experts: Int = 12, ranks: Int = 8
  ) throws -> ExpertPlacement {
    try ExpertPlacement(
      bytes: bytes, path: path, layerLists: layers, expertCount: experts, rankCount: ranks)
  }

  private func readme(_ file: String) throws -> [UInt8] {
    try Fixtures.bytes("placements/\(file)")
  }

  @Test(arguments: files)
  func filesOfOtherProgramsAreRead(file: String) throws {
    // The content decides: the name has no ending.
    let placement = try read(readme(file), "plan")
    #expect(placement.layers == [1, 2] && placement.rankCount == 8)
    #expect(placement.slotOffsets == [0, 2, 4, 6, 8, 10, 12, 14, 16])
    #expect(placement.physicalToLogical == Self.readme)
  }

  @Test func slotsOfReplicasAreEnough() throws {
    let whole = try #require(
      try JSONSerialization.jsonObject(with: Data(readme("eplb.json"))) as? [String: Any])
    let part = try JSONSerialization.data(withJSONObject: ["log2phy": whole["log2phy"]!])
    #expect(try read([UInt8](part), "plan").physicalToLogical == Self.readme)
  }

  /// Formats that keep which slot of a rank holds an expert.
  static let exact: [PlacementFormat] = PlacementFormat.allCases.filter { $0 != .vllm }

  @Test(arguments: exact, ["eplb+4:global", "random:3"])
  func whatIsWrittenIsReadBack(format: PlacementFormat, spec: String) throws {
    let experts = 12
    let rows = (0..<3).map { row in (0..<experts).map { ($0 * 7 + row * 5) % 11 + 1 } }
    let table = Array(IntegerCSV.text(rows: rows).utf8)
    let load = try LoadHistogram(
      bytes: table, name: "load", layerLists: [[2, 3, 5]], expertCount: experts)
    let placement = try PlacementSpec(parsing: spec).place(
      load: load, topology: Topology(ranks: 4), groups: 1, modelLayers: [2, 3, 5])
    let bytes = try placement.encoded(as: format)
    let path = format == .csv ? "plan.csv" : "plan"
    let back = try read(bytes, path, layers: [[2, 3, 5]], ranks: 4)
    #expect(back.layers == placement.layers)
    #expect(back.slotOffsets == placement.slotOffsets)
    #expect(back.physicalToLogical == placement.physicalToLogical)
    #expect(try back.encoded(as: format) == bytes || format == .own)
  }

  @Test func ranksOfExpertsAreReadAndWritten() throws {
    let placement = try read(
      Array("{\"expert_to_ep_rank\": [2, 0, 2, 2, 0]}".utf8), "plan", experts: 5, ranks: 4)
    #expect(placement.layers == [1, 2])
    #expect(placement.slotOffsets == [0, 2, 2, 5, 5])
    #expect(placement.physicalToLogical == [[1, 4, 0, 2, 3], [1, 4, 0, 2, 3]])
    let text = String(decoding: try placement.encoded(as: .vllm), as: UTF8.self)
    #expect(text == "{\"expert_to_ep_rank\": [2,0,2,2,0]}\n")
    expectInputError("5 slots on 4 ranks", "sglang") { _ = try placement.encoded(as: .sglang) }
    let replicated = try read(readme("eplb.json"), "plan")
    expectInputError("4 extra slots", "vllm-eplb") { _ = try replicated.encoded(as: .vllm) }
    let differing = try read(Array("[[0,1],[1,0]]".utf8), "plan", experts: 2, ranks: 2)
    expectInputError("layers differ") { _ = try differing.encoded(as: .vllm) }
  }

  @Test func sglangFillsLayersWithoutExperts() throws {
    let placement = try read(readme("trtllm.yaml"), "plan")
    let text = String(decoding: try placement.encoded(as: .sglang), as: UTF8.self)
    #expect(
      text.hasPrefix("{\"physical_to_logical_map\": [\n[0,1,2,3,4,5,6,7,8,9,10,11,0,1,2,3],\n[5,6,")
    )
  }

  @Test func namesAndEndingsTellTheFormat() throws {
    #expect(PlacementFormat(ofOutput: "a.yml") == .tensorRTLLM)
    #expect(PlacementFormat(ofOutput: "a.txt") == nil)
    #expect(try PlacementFormat(parsing: "vllm-ascend", option: "--format") == .vllmAscend)
    expectInputError("--format json", "own, csv, deepseek") {
      _ = try PlacementFormat(parsing: "json", option: "--format")
    }
    for path in ["p.yaml", "p.npy", "p.safetensors"] {
      #expect(try PlacementSpec(parsing: path).filePath == path)
    }
  }

  @Test func filesOfOtherModelsAreRefused() throws {
    let sglang = try readme("sglang.json")
    expectInputError("3 rows", "4 or 6") { _ = try read(sglang, "p", layers: [[1, 2, 3, 5]]) }
    expectInputError("16 slots on 6 ranks") { _ = try read(sglang, "p", ranks: 6) }
    expectInputError("16 slots for 20 experts") { _ = try read(sglang, "p", experts: 20) }
    expectInputError("expert 10 in layer 1, slot 8", "0...9") {
      _ = try read(sglang, "p", experts: 10)
    }
    expectInputError("for 8 ranks", "needed are 4") {
      _ = try read(readme("vllm-ascend.json"), "p", ranks: 4)
    }
    expectInputError("no layer 3") {
      _ = try read(readme("trtllm.yaml"), "p", layers: [[1, 2, 3]])
        .selecting(layers: [3], name: "p")
    }
  }

  @Test(arguments: [
    ("{\"a\": 1, \"b\": []}", "its keys are a, b", "phy2log"),
    ("{}", "its keys are none", "layer_list"),
    ("{\"phy2log\": [[0, 1], [0]]}", "a list of 1", "2"),
    ("{\"phy2log\": [[0, -1]]}", "\"-1\"", "whole numbers from 0"),
    ("{\"phy2log\": [[0, 4e99]]}", "\"4e99\"", "byte 17"),
    ("{\"phy2log\": [0, 1]}", "1 lists deep", "2 to 2"),
    ("{\"phy2log\": []}", "list of 0", "empty"),
    ("{\"phy2log\": [[0, [1]]]}", "a list where a number", "phy2log"),
    ("{\"phy2log\": [[0, 1]], \"phy2log\": 0}", "stands twice", "phy2log"),
    ("{\"log2phy\": [[[0], [0]]]}", "experts 0 and 1 into slot 0", "row 0"),
    ("{\"log2phy\": [[[0], [2]]]}", "names slot 2", "at most 2"),
    ("{\"log2phy\": [[[1, -1], [2, -1]]]}", "no expert into slot 0", "row 0"),
    ("{\"expert_to_ep_rank\": [0, 2]}", "expert 1 is on rank 2", "0...1"),
    ("{\"expert_to_ep_rank\": [0]}", "1 experts", "needed are 2"),
    ("{\"layer_list\": []}", "moe_layer_count is missing", "p"),
    ("{\"moe_layer_count\": 1, \"layer_list\": []}", "says 1", "0 layers"),
    ("{\"moe_layer_count\": 1, \"layer_list\": [{}]}", "no device_list", "byte"),
    (
      "{\"moe_layer_count\": 1, \"layer_list\": [{\"device_count\": 3, \"device_list\": []}]}",
      "says 3", "0 devices"
    ),
    (
      "{\"moe_layer_count\": 1, \"layer_list\": [{\"device_list\": [{\"device_id\": 1}]}]}",
      "device_id \"1\"", "from 0 to 0"
    ),
    ("initial_global_assignments: {0: [0, 1]}", "num_slots is missing", "p"),
    ("num_slots: 2\ninitial_global_assignments: []", "no mapping", "p"),
    ("num_slots: 3\ninitial_global_assignments: {0: [0, 1]}", "layer 0 has 2", "of 3"),
    ("num_slots: 2\ninitial_global_assignments: {0: [0, x]}", "layer 0, slot 1 is x", "whole"),
    ("num_slots: 2\ninitial_global_assignments: {a: [0, 1]}", "a layer is a", "whole"),
    ("num_slots: 99999999999\ninitial_global_assignments: {}", "99999999999", "1048576"),
    ("num_slots: 2\ninitial_global_assignments: {0: &a [0, 1], 1: *a}", "&", "aliases"),
    ("num_slots: 2\ninitial_global_assignments: {0: [0, 1]", "not YAML", "p"),
    ("0,1\n", "neither its name nor its content", "trtllm"),
    ("", "neither its name nor its content", "own"),
  ])
  func whatIsWrongIsSaid(text: String, first: String, second: String) {
    expectInputError("placement p", first, second) {
      _ = try read(Array(text.utf8), "p", layers: [[0]], experts: 2, ranks: 2)
    }
  }

  @Test(arguments: files + ["safetensors", "expert_to_ep_rank"])
  func damagedFilesAreReadOrRefused(file: String) throws {
    var original: [UInt8]
    switch file {
    case "safetensors": original = try read(readme("eplb.json"), "p").encoded(as: .safetensors)
    case "expert_to_ep_rank": original = Array("{\"\(file)\": [0,1,2,3,4,5,6,7,0,1,2,3]}".utf8)
    default: original = try readme(file)
    }
    func attempt(_ bytes: [UInt8], _ place: String) -> Bool {
      do {
        _ = try read(bytes, "p")
        return true
      } catch let error as InputError {
        #expect(error.description.hasPrefix("placement p"), "\(place): \(error)")
        #expect(!error.description.contains("\n"), "\(place): \(error)")
      } catch {
        Issue.record("\(place): \(error)")
      }
      return false
    }
    #expect(attempt(original, file))
    while original.last == UInt8(ascii: "\n") { original.removeLast() }
    for length in 0..<original.count where file != "trtllm.yaml" {
      #expect(!attempt(Array(original[..<length]), "cut to \(length)"))
    }
    var draws = RandomDraws(key: 0x9A7E, number: file.utf8.count)
    let words = [
      "-1", "99999999999999999999", "NaN", "1.5", "[", "}", "null", "\u{0}", "18446744073709551615",
    ]
    for number in 0..<300 {
      var bytes = original
      let place = Int(draws.next() % UInt64(bytes.count))
      let end = min(bytes.count, place + 1 + Int(draws.next() % 12))
      switch draws.next() % 4 {
      case 0: bytes[place] ^= UInt8(1 << (draws.next() % 8))
      case 1: bytes.removeSubrange(place..<end)
      case 2: bytes.insert(contentsOf: bytes[place..<end], at: place)
      default:
        bytes.replaceSubrange(
          place..<end, with: words[Int(draws.next() % UInt64(words.count))].utf8)
      }
      _ = attempt(bytes, "change \(number)")
    }
  }
}
