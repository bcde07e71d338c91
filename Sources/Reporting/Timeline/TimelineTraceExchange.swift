// SPDX-License-Identifier: Apache-2.0
// epsim: which slices, arrows and counters an exchange becomes.

internal import CostModel
internal import Timing

/// The parts of an exchange, in the order in which they are drawn.
enum ExchangePart: String, CaseIterable {
  case wait, barrier, transfer
  case selfCopy = "self copy"

  static let names = allCases.map { TraceEventWriter.quoted($0.rawValue) }
}

/// An exchange of one rank in one layer of one step, ready to be drawn.
struct DrawnExchange {
  let exchange: Phase.Exchange
  let layer: Int
  let rank: Int
  /// Bound on what may belong to wait instead of transfer, or the other way round, nanoseconds.
  let error: Int64
  /// [R] when each rank entered, nanoseconds after time zero.
  let entries: [Int64]
  /// Where the parts begin, and where the last one ends, nanoseconds after time zero.
  let bounds: [Int64]
  private let matrix: TrafficMatrix

  init(_ exchange: Phase.Exchange, _ scene: TimelineDrawing.Scene, layer: Int, rank: Int) {
    self.exchange = exchange
    self.layer = layer
    self.rank = rank
    matrix = scene.layers[layer].rows
    let isDispatch = exchange == .dispatch
    let phase = isDispatch ? Phase.dispatch : .combine
    let splits = isDispatch ? scene.splits[layer].dispatch : scene.splits[layer].combine
    error = splits[rank].error
    entries = scene.times.indices.map { scene.time(phase.startStamp, layer, $0) }
    let arrived = scene.time(isDispatch ? .dispatchArrived : .combineArrived, layer, rank)
    let waited = min(entries[rank] + max(0, splits[rank].wait), arrived)
    bounds = [
      entries[rank], waited, min(waited + splits[rank].barrier, arrived), arrived,
      scene.time(phase.endStamp, layer, rank),
    ]
  }

  var ranks: Range<Int> { entries.indices }
  /// When the rows of the other ranks were there.
  var arrived: Int64 { bounds[ExchangePart.allCases.count - 1] }

  /// Rows that travel; combine brings back what dispatch sent.
  func rows(from source: Int, to destination: Int) -> Int {
    exchange == .dispatch ? matrix[source, destination] : matrix[destination, source]
  }

  /// Tells the arrow between two ranks from all others of its step.
  func arrow(from source: Int, to destination: Int) -> Int {
    let matrices = 2 * layer + (exchange == .dispatch ? 0 : 1)
    return (matrices * ranks.count + source) * ranks.count + destination
  }
}

extension TimelineDrawing {
  private static let arrowNames = (
    dispatch: TraceEventWriter.quoted("dispatch rows"),
    combine: TraceEventWriter.quoted("combine rows")
  )

  /// The rest of an exchange whose slice has begun: its figures, its parts and its arrows.
  ///
  /// An arrow binds to the slice that is open. So it begins in the first part, at the entry, and
  /// ends in the last part before the copy of own rows, one nanosecond before that begins. Parts
  /// that take no time have no slice.
  mutating func draw(_ drawn: DrawnExchange, of scene: Scene) throws {
    let received = drawn.ranks.reduce(0) { $0 + drawn.rows(from: $1, to: drawn.rank) }
    writer.put(",\"args\":{\"rows_sent\":")
    writer.put(drawn.ranks.reduce(0) { $0 + drawn.rows(from: drawn.rank, to: $1) })
    writer.put(",\"rows_received\":")
    writer.put(received)
    writer.put(",\"error_ns\":")
    writer.put(drawn.error)
    writer.put("}")
    try writer.finish()
    var hasBegun = false
    for part in ExchangePart.allCases.indices {
      if ExchangePart.allCases[part] == .selfCopy {
        if !hasBegun { try beginArrows(drawn, scene) }
        try endArrows(drawn, scene)
        if drawn.exchange == .dispatch { try count(received, drawn) }
      }
      let (start, end) = (drawn.bounds[part], drawn.bounds[part + 1])
      guard start < end else { continue }
      slice(ExchangePart.names[part], scene, drawn.rank, from: start, to: end)
      try writer.finish()
      if !hasBegun && ExchangePart.allCases[part] != .selfCopy {
        try beginArrows(drawn, scene)
        hasBegun = true
      }
    }
  }

  private mutating func beginArrows(_ drawn: DrawnExchange, _ scene: Scene) throws {
    guard arrowsLeftOut == 0 else { return }
    for other in drawn.ranks
    where other != drawn.rank && drawn.rows(from: drawn.rank, to: other) > 0 {
      event("s", drawn, scene, at: drawn.entries[drawn.rank])
      writer.put(",\"id\":")
      writer.put(firstArrow + drawn.arrow(from: drawn.rank, to: other))
      writer.put(",\"args\":{\"rows\":")
      writer.put(drawn.rows(from: drawn.rank, to: other))
      writer.put("}")
      try writer.finish()
      arrows += 1
    }
  }

  private mutating func endArrows(_ drawn: DrawnExchange, _ scene: Scene) throws {
    guard arrowsLeftOut == 0 else { return }
    let end = max(drawn.entries[drawn.rank], drawn.arrived - 1)
    for other in drawn.ranks
    where other != drawn.rank && drawn.rows(from: other, to: drawn.rank) > 0 {
      event("f", drawn, scene, at: end)
      writer.put(",\"bp\":\"e\",\"id\":")
      writer.put(firstArrow + drawn.arrow(from: other, to: drawn.rank))
      try writer.finish()
      if end < drawn.entries[other] { arrowsBackwards += 1 }
    }
  }

  /// An end of an arrow. Viewers match both ends by name, category and id.
  private func event(
    _ kind: StaticString, _ drawn: DrawnExchange, _ scene: Scene, at time: Int64
  ) {
    writer.event(
      kind,
      name: drawn.exchange == .dispatch ? Self.arrowNames.dispatch : Self.arrowNames.combine,
      category: scene.category, at: time, node: trace.nodeOfRank[drawn.rank], rank: drawn.rank)
  }

  /// The rows that a rank received in a layer; viewers name the counter by event and argument.
  private mutating func count(_ rows: Int, _ drawn: DrawnExchange) throws {
    writer.event(
      "C", name: counterNames[drawn.rank], at: drawn.arrived, node: trace.nodeOfRank[drawn.rank],
      rank: drawn.rank)
    writer.put(",\"args\":{\"rows received\":")
    writer.put(rows)
    writer.put("}")
    try writer.finish()
    counters += 1
  }
}
