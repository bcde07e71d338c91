// SPDX-License-Identifier: Apache-2.0
// epsim: tests of mapped traces: windows, places of errors, writing in pieces, huge files.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct TraceFileTests {
  @Test func windowsTogetherAreTheWholeTrace() throws {
    let file = try TraceFile(path: Fixtures.intentTrace)
    let whole = try RoutingTrace(contentsOfFile: Fixtures.intentTrace)
    #expect(file.shape.tokenCount == whole.tokenCount && file.shape.layers == whole.layers)
    #expect(file.sequenceLengths == whole.sequenceLengths && file.shape.origin == whole.origin)
    var ids: [Int32] = []
    var weights: [Float] = []
    try file.forEachWindow(of: 1000) { tokens, window in
      #expect(window.tokenCount == tokens.count && window.layers == whole.layers)
      ids += window.expertIndices
      weights += window.routingWeights
    }
    #expect(ids == whole.expertIndices && weights == whole.routingWeights)
    let window = try file.window(60..<200)
    #expect(try window == whole.window(60..<200))
    // Sequences are cut at the borders, and nowhere else.
    let sequences = whole.sequenceOfToken[60..<200]
    #expect(window.sequenceLengths.count == Set(sequences).count)
    #expect(window.sequenceLengths[0] == sequences.count { $0 == sequences.first })
  }

  @Test func aBadValueIsNamedWithItsPlaceInTheFile() throws {
    let folder = try ScratchFolder()
    let trace = try Fixtures.smallTrace(weights: (0..<12).map { Float($0) / 8 })
    let path = folder.path("t.safetensors")
    let encoded = try trace.safetensors().encoded()
    // Data: weights [3, 2, 2] as F32, two lengths as I32, ids as I16; token 2, layer 1, slot 1.
    let data = encoded.count - 12 * 4 - 2 * 4 - 12 * 2
    for (offset, bytes, words) in [
      (data + 56 + 9 * 2, [9, 0], ["expert id 9", "expert_ids"]),
      (data + 56 + 9 * 2, [0xff, 0xff], ["expert id -1", "expert_ids"]),
      (data + 9 * 4, [0, 0, 0xc0, 0x7f], ["weight nan", "expert_weights"]),
      (data + 9 * 4, [0, 0, 0, 0xbf], ["weight -0.5", "expert_weights"]),
    ] as [(Int, [UInt8], [String])] {
      var changed = encoded
      changed.replaceSubrange(offset..<offset + bytes.count, with: bytes)
      try Data(changed).write(to: URL(filePath: path))
      let file = try TraceFile(path: path)
      #expect(try file.window(0..<2) == trace.window(0..<2).named("trace \(path)"))
      for read in [
        { _ = try file.window(2..<3) },
        { _ = try RoutingTrace(contentsOfFile: path) },
      ] {
        for word in words + ["t.safetensors", "token 2, layer 1, slot 1", "byte \(offset)"] {
          expectInputError(word) { try read() }
        }
      }
    }
  }

  @Test func aWideIDIsNamedAsItStands() throws {
    let folder = try ScratchFolder()
    let path = folder.path("t.npy")
    var bytes = try [UInt8](Data(contentsOf: URL(filePath: FormatFixtures.path("ids-i8-v3.npy"))))
    let offset = bytes.count - 8
    bytes.replaceSubrange(offset..<bytes.count, with: [1, 0, 0, 0, 1, 0, 0, 0])
    try Data(bytes).write(to: URL(filePath: path))
    let source = try TraceFormat.npy.open(path: path, options: FormatFixtures.options()).source
    expectInputError("expert id 4294967297", "token 6", "slot 1", "byte \(offset)") {
      _ = try source.window(0..<7)
    }
  }

  @Test func moreSequencesThanTokensAreRefusedUnread() throws {
    let folder = try ScratchFolder()
    let trace = try Fixtures.smallTrace()
    var contents = [
      SafetensorsFile.Content(
        name: "sequence_lengths", elementType: .i32, shape: [4],
        values: [Int32](repeating: 1, count: 4))
    ]
    contents.append(
      .init(
        name: "expert_ids", elementType: .i32, shape: [3, 2, 2], values: trace.expertIndices))
    let path = folder.path("t.safetensors")
    try SafetensorsFile(contents: contents, metadata: trace.safetensors().metadata)
      .write(toPath: path)
    expectInputError("sequence_lengths has 4 entries for 3 tokens") {
      _ = try TraceFile(path: path)
    }
  }

  @Test func aTraceWrittenInPiecesIsTheOneWrittenWhole() throws {
    let folder = try ScratchFolder()
    let path = folder.path("t.safetensors")
    let whole = try RoutingTrace(contentsOfFile: Fixtures.lawTrace)
    _ = try TraceFormat.safetensors.write(
      TraceFile(path: Fixtures.lawTrace), origin: whole.origin, toPath: path)
    let written = try [UInt8](Data(contentsOf: URL(filePath: path)))
    #expect(try written == whole.safetensors().encoded())
    #expect(try RoutingTrace(contentsOfFile: path).expertIndices == whole.expertIndices)
  }

  @Test func aFileCanBeWrittenOverItself() throws {
    let folder = try ScratchFolder()
    let path = folder.path("t.safetensors")
    let trace = try Fixtures.smallTrace()
    try trace.safetensors().write(toPath: path)
    let file = try TraceFile(path: path)
    let part = SelectedTrace(file, ranges: [1..<3])
    _ = try TraceFormat.safetensors.write(part, origin: trace.origin, toPath: path)
    #expect(try TraceFile(path: path).shape.tokenCount == 2)
    #expect(try file.window(0..<3).expertIndices == trace.expertIndices)
  }

  @Test func aLinkStaysALink() throws {
    let folder = try ScratchFolder()
    let trace = try Fixtures.smallTrace()
    try trace.safetensors().write(toPath: folder.path("t.safetensors"))
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link"), withDestinationPath: "t.safetensors")
    let part = SelectedTrace(trace, ranges: [0..<1])
    _ = try TraceFormat.safetensors.write(
      part, origin: trace.origin, toPath: folder.path("link"))
    #expect(try TraceFile(path: folder.path("t.safetensors")).shape.tokenCount == 1)
    let link = try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("link"))
    #expect(link == "t.safetensors")
  }

  @Test func whatFailsHalfwayLeavesNothingBehind() throws {
    let folder = try ScratchFolder()
    let path = folder.path("bad.safetensors")
    var bytes = try Fixtures.smallTrace().safetensors().encoded()
    bytes[bytes.count - 1] = 0x7f
    try Data(bytes).write(to: URL(filePath: path))
    let file = try TraceFile(path: path)
    for format in TraceFormat.allCases {
      expectInputError("expert id") {
        _ = try format.write(file, origin: file.shape.origin, toPath: folder.path("out"))
      }
      expectInputError("cannot be written") {
        _ = try format.write(
          Fixtures.smallTrace(), origin: file.shape.origin, toPath: folder.path("no/such/out"))
      }
    }
    #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
    expectInputError("pipe", "device") {
      _ = try TraceFormat.npy.write(
        Fixtures.smallTrace(), origin: file.shape.origin, toPath: folder.path("pipe"))
    }
    try FileManager.default.removeItem(atPath: folder.path("pipe"))
    expectInputError("exists already") {
      _ = try TraceFormat.esft.write(
        Fixtures.smallTrace(), origin: file.shape.origin, toPath: folder.url.path + "/")
    }
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["bad.safetensors"])
  }

  @Test func aGigabyteOpensAtOnceAndGivesWindows() throws {
    let folder = try ScratchFolder()
    let path = folder.path("huge.safetensors")
    // 58 layers, top-8, I16: 928 bytes a token; sparse, so that only the header is on the disk.
    let tokens = 1_200_000
    let perToken = 58 * 8
    let header =
      #"{"__metadata__":{"format":"epsim-routing-trace","version":"1","experts":"256","#
      + #""first_layer":"3"},"expert_ids":{"dtype":"I16","shape":[\#(tokens),58,8],"#
      + #""data_offsets":[0,\#(tokens * perToken * 2)]}}"#
    let start = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
    try (start + Data(header.utf8)).write(to: URL(filePath: path))
    let handle = try FileHandle(forUpdating: URL(filePath: path))
    let dataStart = 8 + header.utf8.count
    try handle.truncate(atOffset: UInt64(dataStart + tokens * perToken * 2))
    // Valid ids for three tokens far inside.
    let ids = (0..<3 * perToken).map { Int16($0 % 8 + $0 / perToken) }
    try handle.seek(toOffset: UInt64(dataStart + 1_000_000 * perToken * 2))
    try handle.write(contentsOf: ids.withUnsafeBytes { Data($0) })
    try handle.close()

    let clock = ContinuousClock()
    let start2 = clock.now
    let file = try TraceFile(path: path)
    let window = try file.window(1_000_000..<1_000_003)
    let elapsed = clock.now - start2
    #expect(elapsed < .seconds(1), "opening took \(elapsed)")
    #expect(file.shape.tokenCount == tokens)
    #expect(window.expertIndices == ids.map { Int32($0) })
    #expect(window.routingWeights.allSatisfy { $0 == 0.125 })
    // Everywhere else the ids are zeros: not distinct.
    expectInputError("token 1000003, layer 3, slot 1", "twice") {
      _ = try file.window(1_000_000..<1_000_004)
    }
  }
}

extension RoutingTrace {
  /// The same under another name.
  fileprivate func named(_ name: String) throws -> RoutingTrace {
    try RoutingTrace(
      name: name, origin: origin, expertCount: expertCount, topK: topK, layerCount: layerCount,
      firstLayer: layers[0], sequenceLengths: sequenceLengths, expertIndices: expertIndices,
      routingWeights: routingWeights)
  }
}
