// SPDX-License-Identifier: Apache-2.0
// epsim: traces with random damage: every one is read or refused in a sentence, none crashes.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct TraceFuzzTests {
  /// Cases per file; `EPSIM_FUZZ_CASES` raises it.
  static let cases =
    ProcessInfo.processInfo.environment["EPSIM_FUZZ_CASES"].flatMap { Int($0) } ?? 300

  /// Files of every form that a format has.
  static let files: [(TraceFormat, String)] = [
    (.safetensors, ""), (.npy, "ids-i2-v1.npy"), (.npy, "ids-i8-v3.npy"), (.npy, "top1-i4.npy"),
    (.esft, "esft/expert_weights_2.txt"), (.megatron, "megatron/router_trace_rank0.jsonl"),
    (.routedExperts, "sglang.jsonl"), (.routedExperts, "vllm.json"),
    (.routedExperts, "vllm-lists.json"), (.routedExperts, "data-shape.json"),
  ]

  @Test(arguments: files)
  func damagedFilesAreReadOrRefused(format: TraceFormat, file: String) throws {
    let folder = try ScratchFolder()
    let original =
      file.isEmpty
      ? try Fixtures.smallTrace().safetensors().encoded()
      : try [UInt8](Data(contentsOf: URL(filePath: FormatFixtures.path(file))))
    let path = folder.path("expert_weights_2.txt")
    let options = FormatFixtures.options {
      if format == .safetensors {
        ($0.expertCount, $0.topK, $0.firstLayer) = (nil, nil, nil)
      } else if format == .esft || format == .megatron {
        $0.firstLayer = nil
      } else if file.hasPrefix("top1") {
        $0.topK = 1
      } else if file == "sglang.jsonl" {
        $0.layerCount = 4
        $0.skippedLayers = 1
      }
    }
    func read() throws {
      let source = try format.open(path: path, options: options).source
      try source.forEachWindow(of: 2) { _, window in
        #expect(window.expertIndices.allSatisfy { $0 >= 0 && Int($0) < window.expertCount })
      }
      _ = try TraceStatistics(source, windowCount: 1)
    }
    try Data(original).write(to: URL(filePath: path))
    try read()

    var refused = 0
    for number in 0..<Self.cases {
      let damaged = Damage(key: 0x7ACE, number: number).applied(to: original)
      try Data(damaged).write(to: URL(filePath: path))
      do {
        try read()
      } catch let error as InputError {
        refused += 1
        #expect(!error.description.contains("\n"), "case \(number): \(error)")
        #expect(error.description.hasPrefix("trace \(path)"), "case \(number): \(error)")
      }
    }
    // Damage may hit what nobody reads, or leave a valid number; most of it is found.
    #expect(refused > Self.cases / 4, "\(refused) of \(Self.cases) were refused")
  }

  @Test(arguments: files)
  func everyCutIsReadOrRefused(format: TraceFormat, file: String) throws {
    let folder = try ScratchFolder()
    let original =
      file.isEmpty
      ? try Fixtures.smallTrace().safetensors().encoded()
      : try [UInt8](Data(contentsOf: URL(filePath: FormatFixtures.path(file))))
    let path = folder.path("expert_weights_2.txt")
    for length in 0..<original.count {
      try Data(original[..<length]).write(to: URL(filePath: path))
      do {
        let options = FormatFixtures.options { if file == "sglang.jsonl" { $0.layerCount = 4 } }
        let source = try format.open(path: path, options: options).source
        _ = try source.window(0..<source.shape.tokenCount)
        // Lines are whole without those that followed.
        let isLines = format == .esft || format == .megatron || file == "sglang.jsonl"
        #expect(isLines, "\(file) cut to \(length) bytes")
      } catch is InputError {}
    }
  }
}

/// One random change of a file.
struct Damage {
  private var random: RandomDraws

  init(key: UInt64, number: Int) { random = RandomDraws(key: key, number: number) }

  /// Numbers that readers stumble over.
  private static let numbers = [
    "-1", "0", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "4294967296",
    "65536", "99999999999999999999999999", "1e308", "NaN", "Infinity", "-0.0", "1.5", "null", "[]",
    "{}", "\"\"", "true", "0x10", "00",
  ]

  private mutating func below(_ bound: Int) -> Int {
    Int(random.next() % UInt64(max(bound, 1)))
  }

  /// One to three changes of different kinds.
  func applied(to bytes: [UInt8]) -> [UInt8] {
    var damage = self
    var bytes = bytes
    for _ in 0..<1 + damage.below(3) { damage.change(&bytes) }
    return bytes
  }

  private mutating func change(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else { return }
    let place = below(bytes.count)
    let end = min(place + 1 + below(16), bytes.count)
    switch below(8) {
    case 0: bytes.removeLast(bytes.count - place)
    case 1: bytes[place] ^= 1 << UInt8(below(8))
    case 2: bytes[place] = UInt8(truncatingIfNeeded: random.next())
    case 3: bytes.removeSubrange(place..<end)
    case 4: bytes.insert(contentsOf: bytes[place..<end], at: below(bytes.count))
    case 5: for index in place..<end { bytes[index] = [0, 0xff, 0x7f, 0x80][below(4)] }
    case 6:
      // A whole number of the text becomes another.
      let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
      guard let start = bytes[place...].firstIndex(where: digits.contains) else { return }
      let stop = bytes[start...].firstIndex { !digits.contains($0) } ?? bytes.count
      bytes.replaceSubrange(start..<stop, with: Self.numbers[below(Self.numbers.count)].utf8)
    default:
      let target = below(bytes.count)
      for (offset, byte) in bytes[place..<end].enumerated() where target + offset < bytes.count {
        bytes[target + offset] = byte
      }
    }
  }
}
