// SPDX-License-Identifier: Apache-2.0
// epsim: tests of samples as a file, of adding launches to them, and against hostile bytes.

import CostModel
import Foundation
import MoE
import Reporting
import Testing
import Timing
import Workloads

@Suite struct RunSamplesTests {
  private let identity = RunIdentity(
    model: RunRecord.Model(
      name: "tiny", source: "test", hiddenSize: 64, expertFfnSize: 32, experts: 8, topK: 2,
      sharedExperts: 0, layers: [1, 2], dtype: "f32", weights: "shared"),
    workload: RunRecord.Workload(
      name: "uniform", kind: "generator", tokensPerStep: 16, stepTokens: [16], assignment: "block",
      fit: "all",
      judged: "all", judgedTokens: nil, warmupSteps: 1, measuredSteps: 4, seed: 1),
    ranks: 2, nodes: 1, backend: "portable 1", isa: "any", threads: 1, mpi: "MPI 1",
    cases: ["placement=contiguous timing=clocks", "placement=lpt timing=clocks"],
    placements: [11, 12])

  /// Steps of one case in one block, with stamps that differ everywhere.
  private func samples(
    case index: Int, block: Int = 0, steps: Int, seed: Int64 = 0, error: Double? = nil,
    timing: ExchangeTiming = .clocks, partners: Int = 0, hasFlights: Bool = false
  ) -> CaseSamples {
    let layout = StampLayout(
      layerCount: 2, partnerCount: partners, hasFlights: hasFlights)
    var timeline = CaseTimeline(layout: layout, rankCount: 2, timing: timing)
    for step in 0..<Int64(steps) {
      timeline.append(
        stampsOfRank: (0..<2).map { rank in
          (0..<Int64(layout.stampsPerStep)).map { seed + step * 10_000 + rank * 7 + $0 * 50 }
        }, clockErrors: [step, seed])
    }
    return CaseSamples(
      caseIndex: index, block: block, timeline: timeline,
      traffic: (0..<steps).map { [$0, index, block, Int(seed)] },
      volumes: (0..<steps).map { step in
        ExchangeVolume(values: (0..<10).map { 100 * step + Int(seed) + 9 - $0 })
      }, digest: 0xFEDC_BA98_7654_3210,
      referenceError: error, referenceTokens: error == nil ? 0 : 16)
  }

  /// One launch with these cases.
  private func launch(
    _ kind: RunRecord.SampleGroup.Kind, rounds: Int, _ cases: [CaseSamples]
  ) -> RunSamples {
    RunSamples(
      identity: identity,
      groups: [
        RunRecord.SampleGroup(
          kind: kind, created: "2026-01-01T00:00:00Z", rounds: rounds, hosts: ["a", "b"],
          clockErrorUs: 0.5, functionalOnly: false, causalityViolations: 0)
      ], cases: cases)
  }

  private func pair(_ kind: RunRecord.SampleGroup.Kind, _ steps: Int, seed: Int64) -> RunSamples {
    launch(
      kind, rounds: steps,
      [samples(case: 0, steps: steps, seed: seed), samples(case: 1, steps: steps, seed: seed)])
  }

  private func parse(_ bytes: [UInt8]) throws -> RunSamples {
    try RunSamples(bytes: bytes, name: "x")
  }

  /// Refused with a sentence; anything but an ``InputError`` is a failure.
  private func expectRefused(
    _ bytes: [UInt8], _ comment: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: InputError.self, "\(comment)", sourceLocation: sourceLocation) {
      try parse(bytes)
    }
    #expect(
      error?.description.contains("\n") == false, "\(comment)", sourceLocation: sourceLocation)
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let several = launch(
      .first, rounds: 5,
      [
        samples(case: 0, steps: 3, error: .infinity, timing: .barrier(cost: 1234)),
        samples(case: 0, block: 1, steps: 2, seed: 5),
        samples(case: 1, block: 1, steps: 2, seed: 9, error: 1e-7),
      ])
    for written in [pair(.first, 4, seed: 3), several] {
      let bytes = try written.encoded()
      #expect(try parse(bytes) == written)
      #expect(try written.encoded() == bytes)
    }
  }

  @Test func launchesAndBlocksAreAddedAsGroups() throws {
    let first = pair(.first, 2, seed: 1)
    let resumed = first.adding(pair(.resume, 1, seed: 2))
    // A later launch reaches a further block.
    let later = resumed.adding(
      launch(
        .launch, rounds: 3,
        [
          samples(case: 0, steps: 2, seed: 3), samples(case: 1, steps: 2, seed: 3, error: 0.25),
          samples(case: 0, block: 1, steps: 1, seed: 4),
          samples(case: 2, block: 1, steps: 1, seed: 4),
        ]))
    #expect(later.groups.map(\.kind) == [.first, .resume, .launch])
    #expect(later.cases.map { [$0.caseIndex, $0.block] } == [[0, 0], [0, 1], [1, 0], [2, 1]])
    #expect(later.first(ofCase: 0)?.groupSteps == [2, 1, 2])
    #expect(later.samples(ofCase: 2, block: 1)?.groupSteps == [0, 0, 1])
    #expect(later.rounds(ofBlock: 0) == 5)
    #expect(later.rounds(ofBlock: 0, fromGroup: 2) == 2)
    #expect(later.rounds(ofBlock: 1, fromGroup: 1) == 1)
    #expect(later.rounds(ofBlock: 7) == 0)
    let second = try #require(later.first(ofCase: 1))
    #expect(second.timeline.stepCount == 5 && second.traffic.count == 5)
    #expect(second.traffic.map { $0[3] } == [1, 1, 2, 3, 3])
    #expect(second.referenceError == 0.25 && second.referenceTokens == 16)
    #expect(try parse(later.encoded()) == later)
  }

  @Test func samplesWithFlightsAreResumed() throws {
    func pair(_ kind: RunRecord.SampleGroup.Kind, _ steps: Int, seed: Int64) -> RunSamples {
      launch(
        kind, rounds: steps,
        [
          samples(case: 0, steps: steps, seed: seed),
          samples(case: 1, steps: steps, seed: seed, hasFlights: true),
        ])
    }
    let both = try parse(pair(.first, 2, seed: 1).encoded()).adding(pair(.resume, 3, seed: 2))
    let read = try parse(both.encoded())
    #expect(read == both)
    #expect(read.cases.map(\.timeline.layout.hasFlights) == [false, true])
  }

  @Test func samplesWithPartnersAreResumed() throws {
    func pair(_ kind: RunRecord.SampleGroup.Kind, _ steps: Int, seed: Int64) -> RunSamples {
      launch(
        kind, rounds: steps,
        [
          samples(case: 0, steps: steps, seed: seed),
          samples(case: 1, steps: steps, seed: seed, partners: 2),
        ])
    }
    let both = try parse(pair(.first, 2, seed: 1).encoded()).adding(pair(.resume, 3, seed: 2))
    let read = try parse(both.encoded())
    #expect(read == both)
    #expect(read.cases.map(\.timeline.layout.partnerCount) == [0, 2])
    #expect(read.cases.map(\.timeline.stepCount) == [5, 5])
    // Stamps of as many ranks as there are, or of none.
    let text = try #require(
      try SafetensorsFile(bytes: both.encoded(), name: "x").metadata["epsim"])
    #expect(text.contains("partners\" : 2"))
    for other in ["1", "3", "-1", "0", "9223372036854775807"] {
      expectRefused(
        try rewritten(both.encoded(), "partners\" : 2", "partners\" : \(other)"),
        "partners \(other)")
    }
  }

  @Test func aLaunchThatOnlyComparedWithTheReferenceAddsNoSteps() throws {
    let all = pair(.first, 4, seed: 1).adding(
      launch(
        .resume, rounds: 0,
        [samples(case: 0, steps: 0, error: 0.5), samples(case: 1, steps: 0, error: .infinity)]))
    #expect(all.cases.map(\.groupSteps) == [[4, 0], [4, 0]])
    #expect(all.cases.map(\.referenceError) == [0.5, .infinity])
    #expect(try parse(all.encoded()) == all)
  }

  @Test func everyCutAndEveryChangedByteIsSurvived() throws {
    let bytes = try pair(.first, 1, seed: 1).adding(pair(.resume, 1, seed: 2)).encoded()
    for length in bytes.indices { expectRefused(Array(bytes[..<length]), "cut to \(length)") }
    // A changed byte may leave a valid file, but nothing except InputError may happen.
    for index in bytes.indices {
      for change: UInt8 in [1, 0x10, 0x80] {
        var changed = bytes
        changed[index] ^= change
        do { _ = try parse(changed) } catch {
          #expect(error is InputError, "byte \(index) ^ \(change): \(error)")
        }
      }
    }
  }

  @Test func samplesThatDoNotAddUpAreRefused() throws {
    let good = pair(.first, 3, seed: 1).adding(pair(.resume, 1, seed: 2))
    func expectRefused(_ comment: String, _ change: (inout RunSamples) -> Void) throws {
      var changed = good
      change(&changed)
      self.expectRefused(try changed.encoded(), comment)
    }
    try expectRefused("no groups") { $0.groups = [] }
    try expectRefused("no cases") { $0.cases = [] }
    try expectRefused("begins with a resumption") { $0.groups[0].kind = .resume }
    try expectRefused("a group claims more") { $0.groups[1].rounds = 2 }
    try expectRefused("a group claims less than nothing") { $0.groups[0].rounds = -3 }
    try expectRefused("a group claims the most") { $0.groups[0].rounds = .max }
    try expectRefused("a group of other hosts") { $0.groups[0].hosts = ["a"] }
    try expectRefused("steps of no group") { $0.cases[0].groupSteps = [3] }
    try expectRefused("more steps than there are") { $0.cases[1].groupSteps = [3, 2] }
    try expectRefused("a negative count") { $0.cases[1].groupSteps = [5, -1] }
    try expectRefused("huge counts") { $0.cases[1].groupSteps = [.max, .max] }
    try expectRefused("unequal groups within a block") { $0.cases[1].groupSteps = [2, 2] }
    try expectRefused("more groups than there are") { $0.cases[1].groupSteps = [3, 1, 0] }
    try expectRefused("a case without its base") { $0.cases.removeFirst() }
    try expectRefused("a step without its volume") { $0.cases[1].volumes.removeLast() }
    try expectRefused("more rows off the node than off the rank") {
      $0.cases[0].volumes[1].dispatch.offNodeRows = $0.cases[0].volumes[1].dispatch.rows + 1
    }
    try expectRefused("a block without its base") { $0.cases[1].block = 1 }
    for number in [-1, Int.min] {
      try expectRefused("case \(number)") { $0.cases[1].caseIndex = number }
    }
    for number in [-1, Int.min, .max] {
      try expectRefused("block \(number)") { $0.cases[1].block = number }
      try expectRefused("traffic \(number)") { $0.cases[1].traffic[2][1] = number }
      try expectRefused("bytes \(number)") { $0.cases[1].volumes[2].combine.bytes = number }
    }
  }

  @Test(arguments: [Int64.min, .min + 1, -1 << 61, 1 << 61, .max])
  func stampsAndErrorsThatNoClockGivesAreRefused(value: Int64) throws {
    var changed = pair(.first, 1, seed: 1)
    var timeline = CaseTimeline(layout: StampLayout(layerCount: 2), rankCount: 2)
    var stamps = [Int64](repeating: 5, count: timeline.layout.stampsPerStep)
    stamps[9] = value
    timeline.append(stampsOfRank: [stamps, stamps], clockErrors: [0, 0])
    changed.cases[1].timeline = timeline
    expectRefused(try changed.encoded(), "stamp \(value)")

    timeline = CaseTimeline(layout: timeline.layout, rankCount: 2)
    stamps[9] = 5
    timeline.append(stampsOfRank: [stamps, stamps], clockErrors: [value, 0])
    changed.cases[1].timeline = timeline
    expectRefused(try changed.encoded(), "clock error \(value)")
  }

  /// The file with other words in its metadata.
  private func rewritten(_ bytes: [UInt8], _ old: String, _ new: String) throws -> [UInt8] {
    let file = try SafetensorsFile(bytes: bytes, name: "x")
    let text = try #require(file.metadata["epsim"])
    let changed = text.replacing(old, with: new)
    try #require(changed != text, "\(old)")
    let contents = file.tensors.map { tensor in
      var content = SafetensorsFile.Content(
        name: tensor.name, elementType: tensor.elementType, shape: tensor.shape,
        values: [UInt8]())
      content.bytes = Array(file.buffer[tensor.byteRange])
      return content
    }
    return try SafetensorsFile(contents: contents, metadata: ["epsim": changed]).encoded()
  }

  @Test func metadataThatCannotBeIsRefused() throws {
    let bytes = try pair(.first, 2, seed: 1).encoded()
    func rewritten(_ old: String, _ new: String) throws -> [UInt8] {
      try self.rewritten(bytes, old, new)
    }
    expectRefused(try rewritten("epsim-samples/2", "epsim-samples/1"), "schema")
    for huge in ["1e300", "-1", "9223372036854775807", "99999999999999999999", "null", "[]"] {
      for key in ["layers\" : 2", "block\" : 0", "rounds\" : 2"] {
        let name = key.prefix { $0 != "\"" }
        expectRefused(try rewritten(key, "\(name)\" : \(huge)"), "\(name) \(huge)")
      }
    }
    expectRefused(try rewritten("{", "["), "no JSON")
    #expect(throws: InputError.self) { try parse(bytes + [0]) }
  }

  @Test func everyDifferenceBetweenRunsIsNamed() throws {
    func expectDifference(_ words: String, _ change: (inout RunIdentity) -> Void) {
      var other = identity
      change(&other)
      #expect(identity.difference(to: other)?.contains(words) == true, "\(words)")
    }
    #expect(identity.difference(to: identity) == nil)
    expectDifference("the number of ranks was 2 and is 4") { $0.ranks = 4 }
    expectDifference("the number of nodes was 1 and is 2") { $0.nodes = 2 }
    expectDifference("the MPI library was MPI 1 and is MPI 2") { $0.mpi = "MPI 2" }
    expectDifference("case 2 places its experts otherwise than it did") { $0.placements[1] = 13 }
    expectDifference("the backend was portable 1 and is onednn 3") { $0.backend = "onednn 3" }
    expectDifference("the instruction set was any and is avx2") { $0.isa = "avx2" }
    expectDifference("--threads was 1 and is 2") { $0.threads = 2 }
    expectDifference("--model was tiny and is other") { $0.model.name = "other" }
    expectDifference("the model tiny has changed") { $0.model.hiddenSize = 128 }
    expectDifference("--layers was [1, 2] and is [1]") { $0.model.layers = [1] }
    expectDifference("--dtype was f32 and is bf16") { $0.model.dtype = "bf16" }
    expectDifference("--weights was shared and is per-layer") { $0.model.weights = "per-layer" }
    expectDifference("--workload was uniform and is zipf") { $0.workload.name = "zipf" }
    expectDifference("the workload uniform has changed") { $0.workload.judgedTokens = 3 }
    expectDifference("--tokens was 16 and is 32") { $0.workload.stepTokens = [32] }
    expectDifference("--tokens was 16 and is 16,32") { $0.workload.stepTokens = [16, 32] }
    expectDifference("--assignment was block") { $0.workload.assignment = "sequence" }
    expectDifference("--fit was all") { $0.workload.fit = "first half" }
    expectDifference("--warmup was 1 and is 2") { $0.workload.warmupSteps = 2 }
    expectDifference("--steps was 4 and is 8") { $0.workload.measuredSteps = 8 }
    expectDifference("--seed was 1 and is 9") { $0.workload.seed = 9 }
    expectDifference("the number of cases was 2 and is 1") { $0.cases.removeLast() }
    expectDifference("case 2 was placement=lpt and is placement=eplb") {
      $0.cases[1] = "placement=eplb timing=clocks"
    }
  }
}
