// SPDX-License-Identifier: Apache-2.0
// epsim: tests of placements written to files, read back and damaged.

import CostModel
import Foundation
import MoE
import Placement
import Testing
import Workloads

@Suite struct PlacementFileTests {
  private func placement(ranks: Int = 4) throws -> ExpertPlacement {
    try PlacementSpec(parsing: "eplb+3:global").place(
      load: load([5, 1, 2, 9, 0], [1, 2, 3, 4, 5]), topology: Topology(ranks: ranks), groups: 1,
      modelLayers: [])
  }

  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "epsim-placement-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path + "/")
  }

  @Test(arguments: [1, 3, 4, 9])
  func jsonKeepsEverything(ranks: Int) throws {
    let placement = try placement(ranks: ranks)
    let json = try placement.json()
    #expect(try ExpertPlacement(json: json, file: "f") == placement)
    let text = String(decoding: json, as: UTF8.self)
    for key in [
      "\"schema\":\"epsim-placement/1\"", "\"name\"", "\"layers\":[0,1]", "\"experts\":5",
      "\"ranks\":\(ranks)", "\"slot_offsets\":[0,", "\"physical_to_logical\":[[",
    ] {
      #expect(text.contains(key))
    }
  }

  @Test func csvKeepsTheSlotsWhereItsRuleIsFollowed() throws {
    let placement = try placement(ranks: 4)
    let read = try ExpertPlacement(
      csv: placement.csv(), file: "f.csv", layerLists: [[0, 1]], expertCount: 5, rankCount: 4)
    #expect(read.physicalToLogical == placement.physicalToLogical)
    #expect(read.slotOffsets == placement.slotOffsets)
    // 8 slots on 5 ranks: the first three ranks hold two, CSV would put two on ranks 0, 1 and 3.
    expectInputError("8 slots on 5 ranks", "JSON") { _ = try self.placement(ranks: 5).csv() }
  }

  @Test func filesAreFoundThroughASpec() throws {
    try withFolder { folder in
      let placement = try placement()
      let load = LoadHistogram(layers: [1], expertCount: 5)
      for file in ["p.json", "p.csv"] {
        try placement.write(toPath: folder + file)
        let spec = try PlacementSpec(parsing: folder + file)
        #expect(!spec.needsLoad && spec.filePath == folder + file)
        let read = try spec.place(
          load: load, topology: Topology(ranks: 4), groups: 1, modelLayers: [0, 1])
        #expect(read.layers == [1])
        #expect(read.physicalToLogical == [placement.physicalToLogical[1]])
        #expect(read.name == folder + file)
        expectInputError(file) {
          _ = try spec.place(
            load: LoadHistogram(layers: [2], expertCount: 5), topology: Topology(ranks: 4),
            groups: 1, modelLayers: [0, 1])
        }
        expectInputError(file) {
          _ = try spec.place(
            load: LoadHistogram(layers: [1], expertCount: 4), topology: Topology(ranks: 4),
            groups: 1, modelLayers: [0, 1])
        }
      }
      expectInputError("5 experts on 4 ranks", "5 experts on 3 ranks") {
        _ = try PlacementSpec(parsing: folder + "p.json").place(
          load: load, topology: Topology(ranks: 3), groups: 1, modelLayers: [0, 1])
      }
      expectInputError("no such file") {
        _ = try PlacementSpec(parsing: folder + "absent.json").place(
          load: load, topology: Topology(ranks: 4), groups: 1, modelLayers: [0, 1])
      }
    }
  }

  @Test func everyCutAndEveryChangedByteIsSurvived() throws {
    let json = try placement().json()
    // The last byte is the line end, without which the file is still whole.
    for length in 0..<json.count - 1 {
      #expect(throws: InputError.self, "cut to \(length)") {
        try ExpertPlacement(json: Array(json[..<length]), file: "cut")
      }
    }
    for index in json.indices {
      for change: UInt8 in [1, 2, 0x10, 0x80] {
        var changed = json
        changed[index] ^= change
        do {
          _ = try ExpertPlacement(json: changed, file: "changed")
        } catch {
          #expect(error is InputError, "byte \(index) ^ \(change): \(error)")
        }
      }
    }
  }

  @Test func contradictionsAreRefused() throws {
    let text = String(decoding: try placement().json(), as: UTF8.self)
    func read(_ old: String, _ new: String) throws {
      #expect(text.contains(old))
      _ = try ExpertPlacement(
        json: Array(text.replacingOccurrences(of: old, with: new).utf8), file: "f")
    }
    expectInputError("schema epsim-placement/2") { try read("placement/1", "placement/2") }
    expectInputError("ranks says 5") { try read("\"ranks\":4", "\"ranks\":5") }
    expectInputError("the key ranks is missing") { try read("\"ranks\":4,", "") }
    expectInputError("ranks \"4e99\", accepted are whole numbers from 1") {
      try read("\"ranks\":4", "\"ranks\":4e99")
    }
    expectInputError("experts \"9000") {
      try read("\"experts\":5", "\"experts\":9000000000000000000")
    }
    expectInputError("layers is no list", "whole numbers") { try read("[0,1],\"name", "3,\"name") }
    expectInputError("a number of physical_to_logical \"1.5\"") { try read("[[3,", "[[1.5,") }
    expectInputError("physical_to_logical is no list, accepted is a list of whole numbers") {
      try read("[[3,", "[7,[3,")
    }
    expectInputError("placement f: expert", "is in no slot") {
      try read("\"experts\":5", "\"experts\":6")
    }
    expectInputError("slot_offsets") {
      try read("\"slot_offsets\":[0,2,4,6,8]", "\"slot_offsets\":[0,2,4,6,9000000000000000000]")
    }
    expectInputError("3 lines", "2") {
      _ = try ExpertPlacement(
        csv: Array("0\n0\n0\n".utf8), file: "f.csv", layerLists: [[0, 1]], expertCount: 1,
        rankCount: 1)
    }
    expectInputError("\"5\" in line 1, column 2", "0 to 4") {
      _ = try ExpertPlacement(
        csv: Array("0,5\n".utf8), file: "f.csv", layerLists: [[0]], expertCount: 5, rankCount: 1)
    }
  }
}
