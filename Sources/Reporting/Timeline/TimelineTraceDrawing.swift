// SPDX-License-Identifier: Apache-2.0
// epsim: which slices, arrows and counters the steps of a run become.

internal import CostModel
internal import Placement
internal import Timing

/// Draws all steps of a trace. The events of every track come in the order of their times, a slice
/// before the slices inside it.
struct TimelineDrawing {
  private(set) var slices = 0
  var counters = 0
  var arrows = 0
  private(set) var arrowsLeftOut = 0
  var arrowsBackwards = 0
  private(set) var stampsMoved = 0

  let trace: TimelineTrace
  private let schedule: TimelineSchedule
  let writer: TraceEventWriter
  /// [R] the latest time of each rank so far, nanoseconds after time zero.
  private var latest: [Int64]
  /// [R] the counter of each rank.
  let counterNames: [[UInt8]]
  /// Arrows have ids of their own: the first of the step being drawn.
  private(set) var firstArrow = 0

  /// Colours that chrome://tracing reserves; Perfetto chooses its own by the name of a slice.
  private static let colors = [
    "rail_response", "rail_animation", "rail_idle", "rail_load", "good", "startup", "olive",
    "generic_work",
  ].map(TraceEventWriter.quoted)
  private static let phaseNames = Phase.allCases.map { TraceEventWriter.quoted($0.name) }

  init(_ trace: TimelineTrace, schedule: TimelineSchedule, writer: TraceEventWriter) {
    self.trace = trace
    self.schedule = schedule
    self.writer = writer
    latest = Array(repeating: 0, count: trace.nodeOfRank.count)
    counterNames = trace.nodeOfRank.indices.map { TraceEventWriter.quoted("rank \($0)") }
  }

  /// Writes all events.
  mutating func draw() throws {
    try nameTracks()
    arrowsLeftOut = arrowsBeyondLimit()
    for entry in schedule.entries {
      let scene = scene(of: entry)
      for rank in scene.times.indices { try draw(rank, of: scene) }
      firstArrow += 2 * scene.layers.count * scene.times.count * scene.times.count
    }
  }

  /// Names nodes and ranks and puts them in order.
  private func nameTracks() throws {
    func name(_ event: String, _ node: Int, _ rank: Int, _ name: String, order: Int) throws {
      writer.event("M", name: TraceEventWriter.quoted(event + "_name"), node: node, rank: rank)
      writer.put(",\"args\":{\"name\":")
      writer.put(quoted: TraceEventWriter.quoted(name))
      writer.put("}")
      try writer.finish()
      writer.event(
        "M", name: TraceEventWriter.quoted(event + "_sort_index"), node: node, rank: rank)
      writer.put(",\"args\":{\"sort_index\":")
      writer.put(order)
      writer.put("}")
      try writer.finish()
    }
    for (rank, node) in trace.nodeOfRank.enumerated() {
      if trace.nodeOfRank.firstIndex(of: node) == rank {
        try name("process", node, rank, "node \(node): \(trace.hosts[rank])", order: node)
      }
      try name("thread", node, rank, "rank \(rank)", order: rank)
    }
  }

  /// The arrows of all steps if they take the trace beyond its limit, otherwise 0.
  private func arrowsBeyondLimit() -> Int {
    var (arrows, others) = (0, 0)
    for entry in trace.cases {
      let (timeline, ranks) = (entry.timeline, entry.timeline.rankCount)
      // A layer, its phases, at most four parts of each exchange, a counter.
      let perLayer = 1 + Phase.allCases.count + 2 * ExchangePart.allCases.count + 1
      others += timeline.stepCount * ranks * (1 + timeline.layout.layerCount * perLayer)
      for traffic in entry.traffic {
        for layer in entry.layers.indices {
          let matrix = traffic.layer(layer).raw
          for source in 0..<ranks {
            for destination in 0..<ranks
            where source != destination && matrix[source, destination] > 0 { arrows += 2 }
          }
        }
      }
    }
    return 2 * arrows + others > trace.eventLimit ? arrows : 0
  }

  /// A step, ready to be drawn.
  struct Scene {
    let entry: TimelineSchedule.Entry
    let timeline: CaseTimeline
    let title: [UInt8]
    let caseName: [UInt8]
    let category: [UInt8]
    let color: [UInt8]
    /// [layers] the name of each and the rows that dispatch sends.
    let layers: [(name: [UInt8], rows: TrafficMatrix)]
    /// [layers][R] how each rank's dispatch and combine split.
    let splits: [(dispatch: [ExchangeSplit], combine: [ExchangeSplit])]
    /// [R][stampsPerStep] nanoseconds after time zero.
    let times: [[Int64]]

    func time(_ stamp: LayerStamp, _ layer: Int, _ rank: Int) -> Int64 {
      times[rank][timeline.layout.index(of: stamp, layer: layer)]
    }
  }

  private mutating func scene(of entry: TimelineSchedule.Entry) -> Scene {
    let source = trace.cases[entry.caseIndex]
    let timeline = source.timeline
    let size = timeline.layout.stampsPerStep
    let shift = schedule.shifts[entry.group] - schedule.zero
    let times = (0..<timeline.rankCount).map { rank -> [Int64] in
      let first = (entry.step * timeline.rankCount + rank) * size
      return timeline.stamps[first..<first + size].enumerated().map { index, stamp in
        guard timeline.layout.isOrdered(index) else { return stamp + shift }
        // Slices must nest even where a clock went backwards.
        if stamp + shift < latest[rank] { stampsMoved += 1 }
        latest[rank] = max(latest[rank], stamp + shift)
        return latest[rank]
      }
    }
    return Scene(
      entry: entry, timeline: timeline,
      title: TraceEventWriter.quoted("\(source.name), step \(entry.step)"),
      caseName: TraceEventWriter.quoted(source.name),
      // A comma separates categories.
      category: TraceEventWriter.quoted(
        String(source.name.map { $0 == "," ? " " : $0 })),
      color: Self.colors[entry.caseIndex % Self.colors.count],
      layers: source.layers.enumerated().map { row, number in
        (
          TraceEventWriter.quoted("layer \(number)"),
          source.traffic[entry.step].layer(row).raw
        )
      },
      splits: source.layers.indices.map { layer in
        func split(_ exchange: Phase.Exchange) -> [ExchangeSplit] {
          ExchangeSplit.split(
            timeline.stamps(of: exchange, layer: layer, step: entry.step), timing: timeline.timing)
        }
        return (split(.dispatch), split(.combine))
      }, times: times)
  }

  mutating func slice(
    _ name: [UInt8], _ scene: Scene, _ rank: Int, from start: Int64, to end: Int64
  ) {
    writer.event(
      "X", name: name, category: scene.category, at: start, node: trace.nodeOfRank[rank], rank: rank
    )
    writer.put(",\"dur\":")
    writer.put(microseconds: end - start)
    slices += 1
  }

  private mutating func draw(_ rank: Int, of scene: Scene) throws {
    let (timeline, step) = (scene.timeline, scene.entry.step)
    let times = scene.times[rank]
    let span = timeline.span(rank: rank, step: step)
    slice(scene.title, scene, rank, from: times.first!, to: times.last!)
    writer.put(",\"cname\":")
    writer.put(quoted: scene.color)
    writer.put(",\"args\":{\"case\":")
    writer.put(quoted: scene.caseName)
    writer.put(",\"step\":")
    writer.put(step)
    writer.put(",\"group\":")
    writer.put(scene.entry.group)
    writer.put(",\"start_ns\":")
    writer.put(span.lowerBound)
    writer.put(",\"end_ns\":")
    writer.put(span.upperBound)
    writer.put(",\"clock_error_ns\":")
    writer.put(timeline.clockErrors[step * timeline.rankCount + rank])
    writer.put("}")
    try writer.finish()
    for layer in scene.layers.indices {
      func time(_ stamp: LayerStamp) -> Int64 { scene.time(stamp, layer, rank) }
      slice(
        scene.layers[layer].name, scene, rank, from: time(.layerStart), to: time(.layerEnd))
      try writer.finish()
      for phase in Phase.allCases {
        slice(
          Self.phaseNames[phase.rawValue], scene, rank, from: time(phase.startStamp),
          to: time(phase.endStamp))
        switch phase {
        case .dispatch:
          try draw(DrawnExchange(.dispatch, scene, layer: layer, rank: rank), of: scene)
        case .combine: try draw(DrawnExchange(.combine, scene, layer: layer, rank: rank), of: scene)
        default: try writer.finish()
        }
      }
    }
  }
}
