// SPDX-License-Identifier: Apache-2.0
// epsim: tests of trace formats: what other programs write, round trips, and what is refused.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct TraceFormatTests {
  @Test(arguments: [
    "ids-i2-v1.npy", "ids-i4-v2.npy", "ids-i8-v3.npy", "ids-u1.npy", "ids-u2.npy",
  ])
  func arraysOfNumPyAreRead(name: String) throws {
    let expected = try FormatFixtures.expected()
    for weights in [nil, "weights-f2.npy", "weights-f4.npy", "weights-f8.npy"] {
      let trace = try FormatFixtures.open(
        name, FormatFixtures.options { $0.weightsPath = weights.map(FormatFixtures.path) })
      #expect(trace.expertIndices == expected.ids)
      #expect(
        trace.routingWeights
          == (weights == nil ? expected.weights.map { _ in 0.5 } : expected.weights))
      #expect(trace.layers == [1, 2, 3] && trace.sequenceLengths == [7])
    }
  }

  @Test func anArrayOfTokensAndLayersIsTopOne() throws {
    let trace = try FormatFixtures.open("top1-i4.npy", FormatFixtures.options { $0.topK = 1 })
    let expected = try FormatFixtures.expected().ids
    #expect(trace.topK == 1)
    #expect(trace.expertIndices == stride(from: 0, to: expected.count, by: 2).map { expected[$0] })
    #expect(trace.routingWeights.allSatisfy { $0 == 1 })
  }

  @Test func leadingLayersOfAnArrayCanBeLeftOut() throws {
    let expected = try FormatFixtures.expected()
    let trace = try FormatFixtures.open(
      "ids-i4-v2.npy",
      FormatFixtures.options {
        $0.skippedLayers = 2
        $0.firstLayer = 3
        $0.weightsPath = FormatFixtures.path("weights-f4.npy")
      })
    #expect(trace.layers == [3])
    let kept = (0..<7).flatMap { $0 * 6 + 4..<$0 * 6 + 6 }
    #expect(trace.expertIndices == kept.map { expected.ids[$0] })
    #expect(trace.routingWeights == kept.map { expected.weights[$0] })
  }

  @Test func scoresOfESFTAreRead() throws {
    let expected = try FormatFixtures.expected()
    let trace = try FormatFixtures.open("esft", FormatFixtures.options { $0.firstLayer = nil })
    #expect(trace.expertIndices == expected.ids && trace.routingWeights == expected.weights)
    #expect(trace.sequenceLengths == expected.lengths && trace.layers == [1, 2, 3])
    let layer = try FormatFixtures.open(
      "esft/expert_weights_2.txt", FormatFixtures.options { $0.firstLayer = nil })
    #expect(layer.layers == [2] && layer.tokenCount == 7)
  }

  @Test func tracesOfMegatronAreRead() throws {
    let expected = try FormatFixtures.expected()
    // The number of experts is that of the logits, the layers are in the records.
    let trace = try FormatFixtures.open("megatron", TraceReadOptions())
    #expect(trace.expertIndices == expected.ids && trace.expertCount == 5)
    #expect(trace.sequenceLengths == expected.lengths && trace.layers == [1, 2, 3])
    #expect(trace.routingWeights.allSatisfy { $0 == 0.5 })
  }

  @Test(arguments: ["vllm.json", "vllm-lists.json", "data-shape.json", "sglang.jsonl"])
  func responsesOfServersAreRead(name: String) throws {
    let expected = try FormatFixtures.expected()
    let trace = try FormatFixtures.open(
      name,
      FormatFixtures.options {
        if name == "sglang.jsonl" {
          $0.layerCount = 4
          $0.skippedLayers = 1
        }
      })
    #expect(trace.expertIndices == expected.ids && trace.layers == [1, 2, 3])
    #expect(trace.sequenceLengths == expected.lengths)
  }

  @Test func whatAFormatLacksIsAskedFor() {
    func expect(_ option: String, _ name: String, _ change: (inout TraceReadOptions) -> Void) {
      expectInputError(name, "does not say", option) {
        _ = try FormatFixtures.open(name, FormatFixtures.options(change))
      }
    }
    expect("--experts", "ids-u1.npy") { $0.expertCount = nil }
    expect("--first-layer", "ids-u1.npy") { $0.firstLayer = nil }
    expect("--top-k", "esft") { $0.topK = nil }
    expect("--experts", "esft") { $0.expertCount = nil }
    expect("--experts", "vllm.json") { $0.expertCount = nil }
    expectInputError("sglang", "--trace-layers") {
      _ = try FormatFixtures.open("sglang.jsonl", FormatFixtures.options())
    }
    expectInputError("--top-k says 3, the trace says 2") {
      _ = try FormatFixtures.open("vllm.json", FormatFixtures.options { $0.topK = 3 })
    }
    expectInputError("--weights is of traces in npy") {
      _ = try FormatFixtures.open("esft", FormatFixtures.options { $0.weightsPath = "w.npy" })
    }
    expectInputError("--skip-layers 4 of 4") {
      _ = try FormatFixtures.open(
        "sglang.jsonl",
        FormatFixtures.options {
          $0.layerCount = 4
          $0.skippedLayers = 4
        })
    }
  }

  @Test func foreignArraysAreRefused() {
    let words = [
      "big-endian.npy": ["descr \">i4\"", "<i4"], "fortran.npy": ["fortran_order is True"],
      "floats.npy": ["type F32", "expert ids"],
    ]
    for (name, words) in words {
      for word in words {
        expectInputError(name, word) {
          _ = try FormatFixtures.open(name, FormatFixtures.options())
        }
      }
    }
    expectInputError("weights", "shape [7, 3, 2]", "[7, 3, 1]") {
      _ = try FormatFixtures.open(
        "top1-i4.npy",
        FormatFixtures.options { $0.weightsPath = FormatFixtures.path("weights-f4.npy") })
    }
    expectInputError("type I32", "F16, F32, F64") {
      _ = try FormatFixtures.open(
        "ids-u1.npy",
        FormatFixtures.options { $0.weightsPath = FormatFixtures.path("ids-i4-v2.npy") })
    }
  }

  @Test(arguments: TraceFormat.allCases)
  func everyFormatGivesBackWhatItHolds(format: TraceFormat) throws {
    let folder = try ScratchFolder()
    let original = try Fixtures.smallTrace(weights: (0..<12).map { Float($0) / 7 })
    let path = folder.path("trace")
    _ = try format.write(original, origin: original.origin, toPath: path)
    var options = TraceReadOptions()
    options.expertCount = 4
    options.topK = 2
    options.firstLayer = 1
    // Without a telling name the content decides.
    #expect(try TraceFormat(ofInput: path) == format)
    let read = try format.open(path: path, options: options).source
    let trace = try read.window(0..<read.shape.tokenCount)
    #expect(trace.expertIndices == original.expertIndices && trace.layers == original.layers)
    #expect(trace.sequenceLengths == (format == .npy ? [3] : [2, 1]))
    let hasWeights = format != .megatron && format != .routedExperts
    #expect(
      trace.routingWeights
        == (hasWeights ? original.routingWeights : Array(repeating: 0.5, count: 12)))
    if format == .safetensors { #expect(trace.origin == original.origin) }
    // Nothing else lies about.
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
    #expect(names.sorted() == (format == .npy ? ["trace", "trace.weights.npy"] : ["trace"]))
  }

  @Test(arguments: [TraceFormat.npy, .esft, .megatron, .routedExperts])
  func theRealTraceSurvivesEveryFormat(format: TraceFormat) throws {
    let folder = try ScratchFolder()
    // Half of it, by sequences: debug builds are slow.
    let source = try TraceFile(path: Fixtures.lawTrace)
    let (part, _) = try SelectedTrace.split(source, at: 2000, by: .sequence)
    let path = folder.path("trace")
    _ = try format.write(part, origin: source.shape.origin, toPath: path)
    var options = TraceReadOptions()
    (options.expertCount, options.topK, options.firstLayer) = (64, 6, 1)
    let read = try format.open(path: path, options: options).source
    let (trace, original) = (
      try read.window(0..<read.shape.tokenCount), try part.window(0..<part.shape.tokenCount)
    )
    #expect(trace.expertIndices == original.expertIndices)
    if format == .npy || format == .esft {
      #expect(trace.routingWeights == original.routingWeights)
    }
    if format != .npy { #expect(trace.sequenceLengths == original.sequenceLengths) }
  }

  @Test func aFormatIsKnownByContentAndName() throws {
    let folder = try ScratchFolder()
    #expect(try TraceFormat(ofOutput: "a.safetensors") == .safetensors)
    #expect(try TraceFormat(ofOutput: "folder/") == .esft)
    expectInputError("a.bin", "--to") { _ = try TraceFormat(ofOutput: "a.bin") }
    expectInputError("--from \"excel\"", "safetensors, npy") {
      _ = try TraceFormat(parsing: "excel", option: "--from")
    }
    let other = try folder.write("layer,expert\n", "other")
    expectInputError("other", "--from") { _ = try TraceFormat(ofInput: other) }
    expectInputError("a folder without") { _ = try TraceFormat(ofInput: folder.url.path) }
    expectInputError("no such file") { _ = try TraceFormat(ofInput: folder.path("absent")) }
    expectInputError("no plain file") { _ = try TraceFormat(ofInput: "/dev/zero") }
  }
}
