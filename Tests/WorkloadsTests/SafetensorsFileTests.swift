// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the safetensors container against valid, cut and hostile bytes.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct SafetensorsFileTests {
  private func file(header: String, data: [UInt8] = []) -> [UInt8] {
    let json = [UInt8](header.utf8)
    return withUnsafeBytes(of: UInt64(json.count).littleEndian) { [UInt8]($0) } + json + data
  }

  private func parse(_ bytes: [UInt8]) throws -> SafetensorsFile {
    try SafetensorsFile(bytes: bytes, name: "x")
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let file = SafetensorsFile(
      contents: [
        .init(name: "a", elementType: .i32, shape: [2, 3], values: [Int32](1...6)),
        .init(name: "empty", elementType: .u8, shape: [0, 4], values: [UInt8]()),
        .init(name: "scalar", elementType: .i16, shape: [], values: [Int16(-2)]),
      ],
      metadata: ["key": "a \"quoted\" / value"])
    let bytes = try file.encoded()
    let read = try parse(bytes)
    #expect(read == file)
    #expect(read.tensor("a")?.elementCount == 6)
    #expect(read.tensor("scalar")?.byteRange == 24..<26)
    #expect(read.tensor("b") == nil)
    // The data starts at a multiple of 8, and equal contents give equal bytes.
    #expect((bytes.count - 26) % 8 == 0)
    #expect(try file.encoded() == bytes)
  }

  @Test func anEmptyContainerIsLegal() throws {
    let read = try parse(file(header: "{}"))
    #expect(read.tensors.isEmpty && read.metadata.isEmpty)
  }

  @Test func headersThatCannotBeAreRefused() {
    expectInputError("too few") { _ = try parse([1, 2, 3]) }
    expectInputError("18446744073709551615", "at most") {
      _ = try parse(Array(repeating: 255, count: 64))
    }
    expectInputError("cut") { _ = try parse([100, 0, 0, 0, 0, 0, 0, 0, 123, 125]) }
    expectInputError("start with {") { _ = try parse(file(header: "[1]")) }
    expectInputError("start with {") { _ = try parse(file(header: "")) }
    expectInputError("JSON") { _ = try parse(file(header: "{\"a\":1}")) }
    expectInputError("JSON") { _ = try parse(file(header: "{\"__metadata__\":{\"a\":1}}")) }
    let deep = String(repeating: "{\"a\":", count: 100_000)
    expectInputError("JSON") { _ = try parse(file(header: deep)) }
  }

  @Test func tensorsThatCannotBeAreRefused() {
    func entry(_ dtype: String, _ shape: String, _ offsets: String, data: Int = 8) -> [UInt8] {
      file(
        header: "{\"a\":{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}}",
        data: Array(repeating: 0, count: data))
    }
    #expect(throws: Never.self) { try parse(entry("F32", "[2]", "[0,8]")) }
    expectInputError("dtype F12", "F32") { _ = try parse(entry("F12", "[2]", "[0,8]")) }
    expectInputError("impossible shape") { _ = try parse(entry("F32", "[-2]", "[0,8]")) }
    expectInputError("impossible shape") {
      _ = try parse(entry("F32", "[4611686018427387904,4]", "[0,8]"))
    }
    expectInputError("JSON") { _ = try parse(entry("F32", "[1e30]", "[0,8]")) }
    expectInputError("needs 12 bytes", "give 8") { _ = try parse(entry("F32", "[3]", "[0,8]")) }
    expectInputError("data_offsets") { _ = try parse(entry("F32", "[2]", "[0]")) }
    expectInputError("cut or damaged") { _ = try parse(entry("F32", "[2]", "[8,0]")) }
    expectInputError("cut or damaged") { _ = try parse(entry("F32", "[2]", "[0,8]", data: 7)) }
    expectInputError("cut or damaged") { _ = try parse(entry("F32", "[2]", "[-8,0]")) }
    expectInputError("end at byte 8", "9") { _ = try parse(entry("F32", "[2]", "[0,8]", data: 9)) }
    expectInputError("starts at byte 1") { _ = try parse(entry("U8", "[7]", "[1,8]")) }
  }

  @Test func overlapsGapsAndDuplicatedNamesAreRefused() {
    func two(_ second: String, _ start: Int) -> [UInt8] {
      func entry(_ start: Int) -> String {
        "{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[\(start),\(start + 4)]}"
      }
      return file(
        header: "{\"a\":\(entry(0)),\"\(second)\":\(entry(start))}",
        data: Array(repeating: 0, count: 8))
    }
    #expect(throws: Never.self) { try parse(two("b", 4)) }
    expectInputError("overlap") { _ = try parse(two("b", 2)) }
    expectInputError("overlap") { _ = try parse(two("b", 0)) }
    #expect(throws: InputError.self) { try parse(two("a", 4)) }
  }

  @Test func everyCutAndEveryChangedByteIsSurvived() throws {
    let bytes = try Fixtures.smallTrace().safetensors().encoded()
    for length in bytes.indices {
      #expect(throws: InputError.self, "cut to \(length) bytes") {
        try RoutingTrace(file: parse(Array(bytes[..<length])), name: "cut")
      }
    }
    // A changed byte may still leave a valid file, but nothing except InputError may happen.
    for index in bytes.indices {
      for change: UInt8 in [1, 0x10, 0x80] {
        var changed = bytes
        changed[index] ^= change
        do {
          _ = try RoutingTrace(file: parse(changed), name: "changed")
        } catch {
          #expect(error is InputError, "byte \(index) ^ \(change): \(error)")
        }
      }
    }
  }

  @Test func filesAreWrittenWholeAndMissingOnesNamed() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "epsim-safetensors-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "t.safetensors").path
    let trace = try Fixtures.smallTrace()
    try trace.safetensors().write(toPath: path)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["t.safetensors"])
    #expect(try RoutingTrace(contentsOfFile: path).expertIndices == trace.expertIndices)
    expectInputError("no such file", "absent") {
      _ = try RoutingTrace(contentsOfFile: folder.path + "/absent")
    }
    expectInputError("folder") { _ = try RoutingTrace(contentsOfFile: folder.path) }
    expectInputError("cannot be written") {
      try trace.safetensors().write(toPath: folder.path + "/no/such/t.safetensors")
    }
  }
}
