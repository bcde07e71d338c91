// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the figures of exchanges that run beside compute.

import Reporting
import Testing

@Suite("Overlap")
struct OverlapTests {
  private let fixture = CaseRecordFixture()

  /// A case in one chunk, and the same in two.
  private func cases() throws -> (plain: CaseRecord, chunked: CaseRecord) {
    var (plain, chunked) = (
      try fixture.record(steps: 8), try fixture.record(steps: 8, chunks: 2)
    )
    (plain.name, chunked.name) = ("one chunk", "2 chunks polled")
    return (plain, chunked)
  }

  @Test("in flight is from the first message to the last, exposed what the phases took")
  func figures() throws {
    let (plain, chunked) = try cases()
    #expect(plain.overlap == nil && plain.poll == nil && chunked.poll == "on")
    let overlap = try #require(chunked.overlap)
    // 7 + 54; dispatch takes 6 on both ranks, combine 50 and 10.
    #expect(abs(overlap.inFlightUs - 61) < 1e-9)
    #expect(abs(overlap.exposedUs - (6 + 30)) < 1e-9)
    #expect(overlap.hiddenShare == nil)
  }

  @Test("what is hidden is what a step saves, of the smaller of exchanges and compute")
  func share() throws {
    var (plain, chunked) = try cases()
    // Exchanges 36, compute 43 on the mean rank.
    chunked.stepUs.median = plain.stepUs.median - 27
    let hidden = chunked.withHiddenShare(among: [plain, chunked]).overlap?.hiddenShare
    #expect(try abs(#require(hidden) - 0.75) < 1e-9)
    plain.expertTime.mean = 30
    let smaller = chunked.withHiddenShare(among: [plain, chunked]).overlap?.hiddenShare
    #expect(try abs(#require(smaller) - 0.9) < 1e-9)
    // Of another case it is not said.
    for change in [
      { $0.transport = "p2p" }, { $0.placement = "lpt" }, { $0.block = 1 }, { $0.jitterUs = 3 },
    ] as [(inout CaseRecord) -> Void] {
      var other = plain
      change(&other)
      #expect(
        chunked.withHiddenShare(among: [other, chunked]).overlap?.hiddenShare == nil)
    }
    #expect(plain.withHiddenShare(among: [plain, chunked]).overlap == nil)
  }

  @Test("comparisons show chunked cases, with the share where there is one")
  func table() throws {
    var (plain, chunked) = try cases()
    chunked.stepUs.median = plain.stepUs.median - 27
    let without = CompareReport(fixture.runRecord([plain, chunked])).text
    #expect(without.contains("No hidden share"))
    let text = CompareReport(
      fixture.runRecord([plain, chunked.withHiddenShare(among: [plain])])
    ).text
    #expect(text.contains("in flight") && text.contains("75 %"))
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
    #expect(!CompareReport(fixture.runRecord([plain])).text.contains("in flight"))
  }
}
