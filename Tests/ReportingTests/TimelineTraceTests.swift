// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the trace that viewers open: structure, times, arrows, counters, files.

import CostModel
import Foundation
import Placement
import Reporting
import Testing
import Timing

@Suite("Timeline trace")
struct TimelineTraceTests {
  /// 4 ranks on two nodes; two cases whose steps alternate; layers 3 and 7.
  private let run = MeasuredRun(ranks: 4, nodes: 2, layers: [3, 7], steps: 3)

  @Test("a trace is one JSON object with named nodes and ranks in order")
  func topLevel() throws {
    let parsed = try ParsedTrace(run.trace().json())
    #expect(parsed.unit == "ns")
    #expect(parsed.other["schema"] as? String == TimelineTrace.schema)
    #expect(parsed.other["clock_error_us"] as? Double == 0.5)
    let clocks = try #require(parsed.other["clocks"] as? [[String: Any]])
    #expect(clocks.map { $0["offset_ns"] as? Int } == [0, 1_234_567_890_123])
    #expect(clocks.map { $0["error_us"] as? Double } == [0, 0.25])
    let names = parsed.events.filter { $0.kind == "M" && $0.name.hasSuffix("_name") }
    #expect(
      names.map { $0.arguments["name"] as? String } == [
        "node 0: host0", "rank 0", "rank 1", "node 1: host1", "rank 2", "rank 3",
      ])
    #expect(names.map(\.node) == [0, 0, 0, 1, 1, 1])
    let order = parsed.events.filter { $0.name == "thread_sort_index" }
    #expect(order.map { $0.arguments["sort_index"] as? Int } == [0, 1, 2, 3])
  }

  @Test("every rank has a slice for each step, layer and phase, and parts that fill exchanges")
  func sliceCounts() throws {
    let slices = try ParsedTrace(run.trace().json()).slices
    let steps = 2 * 3 * 4
    func count(_ name: String) -> Int { slices.count { $0.name == name } }
    #expect(slices.count { $0.name.contains("step") } == steps)
    #expect(count("layer 3") == steps && count("layer 7") == steps)
    for phase in Phase.allCases { #expect(count(phase.name) == 2 * steps) }
    // The last rank to enter does not wait.
    #expect(count("wait") > 0 && count("wait") < 4 * steps)
    #expect(count("transfer") == 4 * steps && count("self copy") == 4 * steps)
    #expect(count("barrier") == 0)
    for (index, slice) in slices.enumerated() where ["dispatch", "combine"].contains(slice.name) {
      let parts = slices[(index + 1)...].prefix {
        ["wait", "barrier", "transfer", "self copy"].contains($0.name)
      }
      #expect(parts.reduce(0) { $0 + $1.length } == slice.length)
    }
  }

  @Test("slices nest, and events of a track come in the order of their times")
  func nesting() throws {
    let parsed = try ParsedTrace(run.trace().json())
    for (_, events) in parsed.tracks {
      #expect(zip(events, events.dropFirst()).allSatisfy { $0.start <= $1.start })
      var open: [ParsedTrace.Event] = []
      var depths: Set<Int> = []
      for slice in events where slice.kind == "X" {
        while let last = open.last, last.end <= slice.start { open.removeLast() }
        if let parent = open.last { #expect(slice.end <= parent.end) }
        depths.insert(open.count)
        let isKnown =
          switch open.count {
          case 0: slice.name.contains("step")
          case 1: slice.name.hasPrefix("layer")
          case 2: Phase.allCases.contains { $0.name == slice.name }
          default: ["dispatch", "combine"].contains(open[2].name)
          }
        #expect(isKnown, "\(slice.name) at depth \(open.count)")
        open.append(slice)
      }
      #expect(depths == [0, 1, 2, 3])
    }
  }

  @Test("the phases of a layer add up to the layer, and every step carries its raw stamps")
  func sums() throws {
    let parsed = try ParsedTrace(run.trace().json())
    let names = Set(Phase.allCases.map(\.name))
    let phases = parsed.slices.filter { names.contains($0.name) }.reduce(0) { $0 + $1.length }
    let layers = parsed.slices.filter { $0.name.hasPrefix("layer") }.reduce(0) { $0 + $1.length }
    // Each layer is read apart from its phases, 30 ns before and 20 ns after.
    #expect(layers - phases == 2 * 3 * 4 * 2 * 50)
    for step in parsed.slices where step.name.contains("step") {
      let first = try #require(step.arguments["start_ns"] as? Int)
      let last = try #require(step.arguments["end_ns"] as? Int)
      #expect(first - Int(run.origin) == step.start && last - first == step.length)
      #expect(step.arguments["clock_error_ns"] as? Int == 250)
    }
  }

  @Test("the cases alternate on the same tracks and are told apart by category")
  func interleaving() throws {
    let parsed = try ParsedTrace(run.trace().json())
    let track = try #require(parsed.tracks[[1, 2]])
    #expect(
      track.filter { $0.name.contains("step") }.map(\.name)
        == (0..<3).flatMap { ["contiguous, step \($0)", "round robin, step \($0)"] })
    #expect(Set(parsed.slices.map(\.category)) == ["contiguous", "round robin"])
    #expect(Set(parsed.slices.compactMap(\.color)).count == 2)
  }

  @Test("every pair of ranks with rows has one arrow there and one back")
  func arrows() throws {
    let parsed = try ParsedTrace(run.trace().json())
    let starts = Dictionary(grouping: parsed.events.filter { $0.kind == "s" }) { $0.id! }
    let ends = Dictionary(grouping: parsed.events.filter { $0.kind == "f" }) { $0.id! }
    #expect(starts.count == run.pairsWithRows * 2)
    #expect(parsed.other["arrows"] as? Int == starts.count)
    #expect(Set(starts.keys) == Set(ends.keys))
    #expect(starts.values.allSatisfy { $0.count == 1 } && ends.values.allSatisfy { $0.count == 1 })
    for (id, start) in starts {
      let (start, end) = (start[0], try #require(ends[id]?.first))
      #expect(start.rank != end.rank && start.name == end.name && start.category == end.category)
      #expect(end.start >= start.start - 500)
      #expect(end.binding == "e")
      let exchange = start.name == "dispatch rows" ? "dispatch" : "combine"
      let from = try #require(parsed.slice(exchange, around: start))
      #expect(from.start == start.start)
      let to = try #require(parsed.slice(exchange, around: end))
      // The viewer binds an arrow to the slice that began last.
      let part = try #require(parsed.innermost(around: end))
      #expect(part.name == "transfer" && part.end == end.start + 1)
      #expect(to.start <= part.start && part.end <= to.end)
    }
  }

  @Test("an arrow that ends before it begins, for clocks err, is drawn so and counted")
  func arrowsBackwards() throws {
    // Rank 1 enters 701 ns after rank 0, which has its rows after 441.
    let run = MeasuredRun(ranks: 2, nodes: 2, layers: [0], steps: 4, skew: 600)
    let parsed = try ParsedTrace(run.trace().json())
    let starts = parsed.events.filter { $0.kind == "s" && $0.rank == 1 }
    #expect(!starts.isEmpty)
    #expect(parsed.other["arrows_backwards"] as? Int == starts.count)
    for start in starts {
      let end = try #require(parsed.events.first { $0.kind == "f" && $0.id == start.id })
      #expect(start.start - end.start == 701 - 441 + 1)
      #expect(try #require(parsed.innermost(around: end)).name == "wait")
    }
    let notes = try #require(parsed.other["notes"] as? [String])
    #expect(notes.contains { $0.hasPrefix("\(starts.count) arrows end before they begin") })
  }

  @Test("rows of arrows, exchanges and counters are those of the traffic")
  func rows() throws {
    let parsed = try ParsedTrace(run.trace().json())
    for (index, name) in ["contiguous", "round robin"].enumerated() {
      let layers = run.traffic[index].flatMap { step in [0, 1].map { step.layer($0) } }
      for rank in 0..<4 {
        let dispatches = parsed.slices.filter {
          $0.rank == rank && $0.category == name && $0.name == "dispatch"
        }
        #expect(
          dispatches.map { $0.arguments["rows_received"] as? Int }
            == layers.map { $0.receivedPerRank[rank] })
        #expect(
          dispatches.map { $0.arguments["rows_sent"] as? Int }
            == layers.map { $0.raw.rowSums[rank] })
      }
      let sent = parsed.events.filter {
        $0.kind == "s" && $0.category == name && $0.name == "combine rows"
      }
      #expect(
        sent.reduce(0) { $0 + ($1.arguments["rows"] as! Int) }
          == layers.reduce(0) { $0 + $1.offRankRaw })
    }
    for rank in 0..<4 {
      let counts = parsed.events.filter { $0.kind == "C" && $0.rank == rank }
      let expected = (0..<3).flatMap { step in
        (0..<2).flatMap { index in
          [0, 1].map { run.traffic[index][step].layer($0).receivedPerRank[rank] }
        }
      }
      #expect(counts.map { $0.arguments["rows received"] as? Int } == expected)
      #expect(counts.allSatisfy { $0.name == "rank \(rank)" })
    }
  }

  @Test("with barrier timing an exchange shows its barrier")
  func barrier() throws {
    let run = MeasuredRun(
      ranks: 2, nodes: 1, layers: [0], steps: 2, timing: .barrier(cost: 100), barrier: 400)
    let parsed = try ParsedTrace(run.trace().json())
    let barriers = parsed.slices.filter { $0.name == "barrier" }
    #expect(barriers.count == 2 * 2 * 2 * 2 && barriers.allSatisfy { $0.length == 100 })
    #expect(parsed.slices.filter { $0.name == "wait" }.allSatisfy { $0.length == 300 })
    let cases = try #require(parsed.other["cases"] as? [[String: Any]])
    #expect(cases.map { $0["timing"] as? String } == ["barrier", "barrier"])
  }

  @Test("above the limit of events arrows are left out and the file says so")
  func eventLimit() throws {
    let parsed = try ParsedTrace(run.trace(eventLimit: 100).json())
    #expect(!parsed.events.contains { $0.kind == "s" || $0.kind == "f" })
    #expect(parsed.other["arrows"] as? Int == 0)
    #expect(parsed.other["arrows_left_out"] as? Int == run.pairsWithRows * 2)
    let notes = try #require(parsed.other["notes"] as? [String])
    #expect(notes.contains { $0.contains("more than 100 events") })
    #expect(try parsed.slices.count == ParsedTrace(run.trace().json()).slices.count)
  }

  @Test("hostile names survive")
  func names() throws {
    let name = "a \"b\" \\ c,\n\t\u{1}\u{7F} \u{2028} 专家 👩‍👩‍👧"
    let run = MeasuredRun(ranks: 2, nodes: 1, layers: [0], steps: 1, names: [name, "x"])
    let parsed = try ParsedTrace(run.trace(host: "h\"\n\\").json())
    let steps = parsed.slices.filter { $0.name.contains("step") }
    #expect(steps.first?.name == name + ", step 0")
    #expect(steps.first?.arguments["case"] as? String == name)
    #expect(steps.first?.category == name.replacing(",", with: " "))
    #expect(
      parsed.events.first { $0.name == "process_name" }?.arguments["name"] as? String
        == "node 0: h\"\n\\")
  }

  @Test("stamps of a machine that is up for a year keep their nanoseconds")
  func bigOffsets() throws {
    let year = MeasuredRun(
      ranks: 4, nodes: 2, layers: [3, 7], steps: 3, origin: 31_536_000_123_456_789)
    let (late, early) = (try ParsedTrace(year.trace().json()), try ParsedTrace(run.trace().json()))
    #expect(late.slices.map(\.start) == early.slices.map(\.start))
    #expect(late.slices.map(\.length) == early.slices.map(\.length))
    // A gap of three days within a trace.
    let gap = MeasuredRun(
      ranks: 2, nodes: 1, layers: [0], steps: 2, stepLength: 259_200_000_000_007)
    let steps = try ParsedTrace(gap.trace().json()).tracks[[0, 0]]!
      .filter { $0.name.contains("step") }
    #expect(steps[2].start - steps[0].start == 259_200_000_000_007)
  }

  @Test("completions of partners are no moments of the rank's track")
  func partners() throws {
    // Two ranks that are each other's only partner wait as in a collective.
    let run = MeasuredRun(ranks: 2, nodes: 1, layers: [0, 1], steps: 2)
    #expect(try run.withPartners().trace().json() == run.trace().json())
  }

  @Test("launches whose clocks overlap are drawn one after the other")
  func launches() throws {
    let run = MeasuredRun(
      ranks: 2, nodes: 1, layers: [0], steps: 4, groupSteps: [2, 2], groupRewind: 150_000)
    let parsed = try ParsedTrace(run.trace().json())
    for (_, events) in parsed.tracks {
      let steps = events.filter { $0.name.contains("step") }
      #expect(steps.map { $0.arguments["group"] as? Int } == [0, 0, 0, 0, 1, 1, 1, 1])
      #expect(zip(steps, steps.dropFirst()).allSatisfy { $0.end <= $1.start })
    }
    let shifts = try #require(parsed.other["group_shifts_ns"] as? [Int])
    #expect(shifts.count == 2 && shifts[0] == 0 && shifts[1] > 0)
    #expect(parsed.other["stamps_moved"] as? Int == 0)
  }

  @Test("a stamp before the one taken before it is moved, so that slices nest")
  func backwardStamps() throws {
    let run = MeasuredRun(ranks: 2, nodes: 1, layers: [0], steps: 2, backwards: true)
    let parsed = try ParsedTrace(run.trace().json())
    #expect(parsed.other["stamps_moved"] as? Int == 2 * 2 * 2)
    for (_, events) in parsed.tracks {
      #expect(zip(events, events.dropFirst()).allSatisfy { $0.start <= $1.start })
    }
  }

  @Test("a file holds the same bytes, replaces an older one, and leaves nothing beside it")
  func file() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "run.json")
    try Data("older".utf8).write(to: file)
    // More than one piece of the writer's buffer.
    let long = MeasuredRun(ranks: 4, nodes: 2, layers: [3, 7], steps: 40)
    try long.trace().write(to: file.path)
    let written = try Data(contentsOf: file)
    #expect(written.count > 1 << 20)
    #expect(try written == long.trace().json())
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["run.json"])
  }

  @Test("a path that cannot be written throws, names it, and leaves nothing")
  func unwritable() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let missing = folder.appending(path: "none/run.json").path
    let error = #expect(throws: (any Error).self) { try run.trace().write(to: missing) }
    #expect(String(describing: error!).contains(missing))
    // The folder's own name: everything is written before the renaming fails.
    try FileManager.default.createDirectory(
      at: folder.appending(path: "taken/full"), withIntermediateDirectories: true)
    let taken = folder.appending(path: "taken").path
    #expect(throws: (any Error).self) { try run.trace().write(to: taken) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["taken"])
  }

  @Test("a run without steps is a trace without slices")
  func empty() throws {
    let run = MeasuredRun(ranks: 2, nodes: 1, layers: [0], steps: 0)
    let parsed = try ParsedTrace(run.trace().json())
    #expect(parsed.slices.isEmpty && parsed.events.allSatisfy { $0.kind == "M" })
  }

  private func temporaryFolder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appending(path: "epsim-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }
}
