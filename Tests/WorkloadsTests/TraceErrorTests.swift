// SPDX-License-Identifier: Apache-2.0
// epsim: tests of what is said about traces in text that are wrong.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct TraceErrorTests {
  @Test func errorsOfTextNameFieldLineAndByte() throws {
    let folder = try ScratchFolder()
    func expect(_ format: TraceFormat, _ text: String, _ words: String...) throws {
      let path = try folder.write(text, "expert_weights_1.txt")
      do {
        _ = try format.open(path: path, options: FormatFixtures.options())
        Issue.record("\(text.prefix(80)) was accepted")
      } catch let error as InputError {
        for word in words { #expect(error.description.contains(word), "\(error)") }
        #expect(error.description.hasPrefix("trace \(path): "))
      }
    }
    try expect(.esft, "0\t1\t\t0.5\t0.5\n0\tx\t\t1\t1\n", "expert id \"x\"", "line 2, byte 15")
    try expect(.esft, "0\t1\t\t0.5\tnan\n", "weight \"nan\" in column 2", "line 1")
    try expect(.esft, "0\t1\t\t0.5\t-1\n", "weight \"-1\"")
    try expect(.esft, "0\t1\t\t0.5\t1e99\n", "weight \"1e99\"")
    try expect(.esft, "0\t1\t\t0.5\n", "weight 1 of 2")
    try expect(.esft, "0\t1\t2\t\t1\t1\t1\n", "3 expert ids", "top-k 2")
    try expect(.esft, "0\t1\t\t1\t1\t1\n", "goes on after 2 weights")
    try expect(.esft, "0\t65536\t\t1\t1\n", "\"65536\"")
    try expect(.esft, "0\t5\t\t1\t1\n", "expert id 5 at token 0, layer 1, slot 1", "0...4")
    try expect(.esft, "3\t3\t\t1\t1\n", "twice")
    try expect(.esft, "", "no lines")

    func line(_ ids: String, tokens: String = "1", topK: String = "2") -> String {
      #"{"step":0,"layer":1,"num_tokens":\#(tokens),"topk":\#(topK),"top_indices":\#(ids)}"# + "\n"
    }
    try expect(.megatron, line("[[0,1]]") + line("[[0,-1]]"), "top_indices \"-1\"", "line 2")
    try expect(.megatron, line("[[0,1.5]]"), "top_indices \"1.5\"")
    try expect(.megatron, line("[[0,99999999999999999999999]]"), "9999", "65535")
    try expect(.megatron, line("[[0,1]]", tokens: "2"), "num_tokens 2", "1 rows")
    try expect(.megatron, line("[[0,1]]", tokens: "9223372036854775807"), "num_tokens")
    try expect(.megatron, line("[[0,1]]", topK: "NaN"), "topk \"NaN\"")
    try expect(.megatron, line("[[0,1]]") + line("[[0,1]]"), "layer 1 of step 0", "again")
    try expect(.megatron, #"{"step":0}"#, "top_indices is missing")
    try expect(.megatron, line("[[0,1]]").dropLast(3) + "", "byte")
    try expect(.megatron, "[1]", "a { is missing at byte 0")
    try expect(.megatron, line("[[4,5]]"), "expert id 5 at token 0, layer 1, slot 1")

    func response(_ value: String) -> String { #"{"routed_experts": \#(value)}"# }
    try expect(.routedExperts, response(#""no base64!""#), "no base64", "byte 19")
    try expect(.routedExperts, response("[[[0,1]],[[0]]]"), "1 ids in a row")
    try expect(.routedExperts, response("[[[0,1]],[[0,1],[0,1]]]"), "2 layers in token 1")
    try expect(.routedExperts, response("[[[0,-7]]]"), "\"-7\"", "byte")
    try expect(.routedExperts, response("null"), "not empty or null")
    try expect(
      .routedExperts, response(#"{"data":"AAAA","shape":[9,9,9],"dtype":"int32"}"#), "[9, 9, 9]")
    try expect(
      .routedExperts,
      response(#"{"data":"AAAA","shape":[2147483647,2147483647,2147483647],"dtype":"int64"}"#),
      "shape")
    try expect(
      .routedExperts, response(#"{"data":"AAAA","shape":[1,1,1],"dtype":"float"}"#), "\"float\"")
    for format in [TraceFormat.megatron, .routedExperts] {
      let deep = String(repeating: #"{"a":["#, count: 100_000)
      try expect(format, deep, "nested deeper than 64")
    }
  }

  @Test func unequalLayersOfAFolderAreRefused() throws {
    let folder = try ScratchFolder()
    let line = "0\t1\t\t0.5\t0.5\n"
    _ = try folder.write(line, "expert_weights_1.txt")
    _ = try folder.write(line + line, "expert_weights_2.txt")
    func open() throws {
      _ = try TraceFormat.esft.open(path: folder.url.path, options: FormatFixtures.options())
    }
    expectInputError("expert_weights_2.txt", "not as many lines") { try open() }
    _ = try folder.write("0\t1\t2\t3\t\t1\t1\t1\t1\n", "expert_weights_2.txt")
    expectInputError("expert_weights_2.txt", "line 1 has not as many tokens") { try open() }
    _ = try folder.write(line, "expert_weights_2.txt")
    #expect(throws: Never.self) { try open() }
    _ = try folder.write(line, "expert_weights_02.txt")
    expectInputError("layer 2 has two files") { try open() }
  }

  @Test func layersMayLeaveGapsAndMayBeRenumbered() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(
      [1, 3].map {
        #"{"step":0,"layer":\#($0),"num_tokens":1,"topk":2,"top_indices":[[0,\#($0)]]}"#
      }.joined(separator: "\n"), "t.jsonl")
    var options = TraceReadOptions()
    options.expertCount = 5
    let opened = try TraceFormat.megatron.open(path: path, options: options)
    #expect(opened.source.shape.layers == [1, 3])
    // Kept by the container, and what stands in it is checked.
    let trace = try opened.source.window(0..<1)
    let copy = folder.path("copy.safetensors")
    _ = try TraceFormat.safetensors.write(opened.source, origin: trace.origin, toPath: copy)
    #expect(try RoutingTrace(contentsOfFile: copy).layers == [1, 3])
    #expect(trace.safetensors().metadata["layer_numbers"] == "1,3")
    for numbers in ["3,1", "1", "1,x", "1,3,5", "", "1,-3", "1,99999999999999999999"] {
      var metadata = trace.safetensors().metadata
      metadata["layer_numbers"] = numbers
      expectInputError("layer") {
        _ = try RoutingTrace(
          file: SafetensorsFile(
            contents: [
              .init(
                name: "expert_ids", elementType: .i16, shape: [1, 2, 2],
                values: [0, 1, 0, 3] as [Int16])
            ], metadata: metadata), name: "t")
      }
    }
    options.firstLayer = 7
    let renumbered = try TraceFormat.megatron.open(path: path, options: options)
    #expect(renumbered.source.shape.layers == [7, 9])
    #expect(renumbered.notes.contains { $0.contains("is numbered 7") })
  }
}
