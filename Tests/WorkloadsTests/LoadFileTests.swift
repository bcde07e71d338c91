// SPDX-License-Identifier: Apache-2.0
// epsim: tests of loads in JSON, NumPy and safetensors.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct LoadFileTests {
  static let weights = [
    [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
    [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
  ]

  private func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](
      try Data(
        contentsOf: Fixtures.repository.appending(path: "Tests/Fixtures/placements/\(name)")))
  }

  private func read(_ bytes: [UInt8], layers: [[Int]] = [[1, 2]]) throws -> LoadHistogram {
    try LoadHistogram(bytes: bytes, name: "load", layerLists: layers, expertCount: 12)
  }

  @Test(arguments: ["weight-f4.npy", "windows-u2.npy", "logical-count.json"])
  func filesOfOtherProgramsAreRead(file: String) throws {
    let load = try read(bytes(file))
    #expect(load == LoadHistogram(layers: [1, 2], rows: Self.weights))
  }

  @Test func tensorsAndListsAreRead() throws {
    let list = "[[1,2],[3,4]]"
    let load = try LoadHistogram(bytes: Array(list.utf8), name: "load")
    #expect(load == LoadHistogram(layers: [0, 1], rows: [[1, 2], [3, 4]]))
    let half: [UInt16] = [0x3c00, 0x4000, 0x4200, 0x0000]  // 1, 2, 3, 0
    for name in ["weight", "anything"] {
      let file = SafetensorsFile(
        contents: [.init(name: name, elementType: .f16, shape: [2, 2], values: half)], metadata: [:]
      )
      #expect(
        try LoadHistogram(bytes: file.encoded(), name: "load")
          == LoadHistogram(layers: [0, 1], rows: [[1, 2], [3, 0]]))
    }
  }

  @Test func numbersThatAreNoCountsAreRefused() throws {
    func tensor(_ bits: [UInt32], _ type: SafetensorsFile.ElementType, _ shape: [Int]) throws
      -> [UInt8]
    {
      try SafetensorsFile(
        contents: [.init(name: "load", elementType: type, shape: shape, values: bits)],
        metadata: [:]
      ).encoded()
    }
    func expect(_ words: String..., bytes: () throws -> [UInt8]) {
      for word in words {
        expectInputError(word) { _ = try LoadHistogram(bytes: bytes(), name: "load") }
      }
    }
    expect("nan at [0, 1]", "tensor load") {
      try tensor([0, Float.nan.bitPattern], .f32, [1, 2])
    }
    expect("inf at [1, 0]") { try tensor([0, Float.infinity.bitPattern], .f32, [2, 1]) }
    expect("1.5 at [0, 0]") { try tensor([Float(1.5).bitPattern, 0], .f32, [1, 2]) }
    expect("-1 at [0, 0]") { try tensor([0xffff_ffff, 0], .i32, [1, 2]) }
    expect("[2]", "2 to 3 sizes") { try tensor([1, 2], .i32, [2]) }
    expect("[0, 5]") { try tensor([], .i32, [0, 5]) }
    expect("the tensors are none") { try SafetensorsFile(contents: [], metadata: [:]).encoded() }
    expect("logical_count is missing") { Array("{\"count\": [[1]]}".utf8) }
    expect("add up to 1000000000001") { Array("[[[1000000000000]],[[1]]]".utf8) }
    expect("more after the document") { Array("[[1]] 2".utf8) }
  }

  @Test func rowsThatFitNoLayersAreRefused() throws {
    let three = try bytes("logical-count.json")
    #expect(try read(three, layers: [[4, 5, 6]]).layers == [4, 5, 6])
    #expect(try read(three, layers: [[1, 2, 3, 4], [2]]).layers == [2])
    expectInputError("3 rows", "2 or 5") { _ = try read(three, layers: [[1, 4]]) }
    expectInputError("12 columns", "8 experts") {
      _ = try LoadHistogram(bytes: three, name: "load", layerLists: [[1, 2]], expertCount: 8)
    }
  }

  @Test(arguments: ["weight-f4.npy", "windows-u2.npy", "logical-count.json"])
  func damagedFilesAreReadOrRefused(file: String) throws {
    let original = try bytes(file)
    for length in 0..<original.count {
      #expect(throws: InputError.self, "cut to \(length)") {
        try read(Array(original[..<length]))
      }
    }
    for number in 0..<TraceFuzzTests.cases {
      do {
        _ = try read(Damage(key: 0x10AD, number: number).applied(to: original))
      } catch let error as InputError {
        #expect(error.description.hasPrefix("load"), "case \(number): \(error)")
        #expect(!error.description.contains("\n"), "case \(number): \(error)")
      }
    }
  }
}
