// SPDX-License-Identifier: Apache-2.0
// epsim: measured runs as a trace that Perfetto and chrome://tracing open.

public import Foundation
public import Placement
public import Timing

/// The measured steps of a run in the Trace Event Format (JSON).
///
/// Processes are nodes and threads are ranks, both numbered from 1 in the file. A rank shows nested
/// slices: step, layer, phase, and inside dispatch and combine what `ExchangeSplit` makes of them:
/// wait, barrier, transfer and self copy. Arrows lead from the entry of a rank to the arrival at
/// every rank that gets rows of it, and counters show the rows that each rank receives. All cases
/// share the tracks, for they are interleaved in time; the category of a slice is its case.
///
/// Times are microseconds after the first stamp with three decimals; step slices carry the raw
/// nanoseconds.
/// Source: Trace Event Format, events X, s, f, C and M.
public struct TimelineTrace: Sendable {
  /// Stamps and counters of one case.
  public struct Case: Sendable {
    public let name: String
    /// [layers] the model's numbers of the layers.
    public let layers: [Int]
    public let timeline: CaseTimeline
    /// [steps] counters over all ranks.
    public let traffic: [TrafficCounters]
    /// Steps of each launch, in order.
    public let groupSteps: [Int]

    /// - Parameter groupSteps: steps of each launch, in order; nil where one launch made all.
    /// - Precondition: as many layers as stamped, as many counters as steps, and group steps that
    ///   add up to the steps.
    public init(
      name: String, layers: [Int], timeline: CaseTimeline, traffic: [TrafficCounters],
      groupSteps: [Int]? = nil
    ) {
      let groupSteps = groupSteps ?? [timeline.stepCount]
      precondition(
        layers.count == timeline.layout.layerCount && traffic.count == timeline.stepCount
          && groupSteps.reduce(0, +) == timeline.stepCount,
        "\(layers.count) layers, \(traffic.count) counters and group steps \(groupSteps) for "
          + "\(timeline.stepCount) steps of \(timeline.layout.layerCount) layers")
      self.name = name
      self.layers = layers
      self.timeline = timeline
      self.traffic = traffic
      self.groupSteps = groupSteps
    }
  }

  /// The word that says which version of this trace a file is.
  public static let schema = "epsim-timeline/1"
  /// Events above which arrows are left out: they grow with the square of the ranks.
  public static let defaultEventLimit = 1_000_000

  let cases: [Case]
  let nodeOfRank: [Int]
  let hosts: [String]
  let clocks: [RunRecord.Clock]
  let clockErrorUs: Double
  let eventLimit: Int

  /// - Parameters:
  ///   - nodeOfRank: [R] node of each rank.
  ///   - hosts: [R] host of each rank.
  ///   - clocks: the clock domains of the ranks.
  ///   - clockErrorUs: bound on the error of comparing two ranks' clocks.
  ///   - eventLimit: events in all above which arrows are left out.
  /// - Precondition: every case has R ranks.
  public init(
    cases: [Case], nodeOfRank: [Int], hosts: [String], clocks: [RunRecord.Clock],
    clockErrorUs: Double, eventLimit: Int = TimelineTrace.defaultEventLimit
  ) {
    precondition(
      hosts.count == nodeOfRank.count
        && cases.allSatisfy { $0.timeline.rankCount == nodeOfRank.count },
      "\(hosts.count) hosts, \(nodeOfRank.count) ranks with nodes, cases of "
        + "\(cases.map(\.timeline.rankCount)) ranks")
    self.cases = cases
    self.nodeOfRank = nodeOfRank
    self.hosts = hosts
    self.clocks = clocks
    self.clockErrorUs = clockErrorUs
    self.eventLimit = eventLimit
  }

  /// The whole trace, UTF-8. An event takes 100 to 150 bytes.
  public func json() throws -> Data {
    var bytes: [UInt8] = []
    try emit(to: TraceEventWriter { bytes += $0 })
    return Data(bytes)
  }

  /// Writes the trace piece by piece under a temporary name and renames it, so that no reader
  /// meets a partial file.
  ///
  /// - Throws: `InputError` when the folder does not exist or cannot be written to; nothing is
  ///   left behind then.
  public func write(to path: String) throws {
    try TraceEventWriter.withFile(path) { try emit(to: $0) }
  }

  private func emit(to writer: TraceEventWriter) throws {
    try writer.begin()
    let schedule = TimelineSchedule(cases)
    var drawing = TimelineDrawing(self, schedule: schedule, writer: writer)
    try drawing.draw()
    try writer.end(otherData: RecordCoding.json(otherData(schedule, drawing)))
  }
}

extension TimelineTrace {
  /// What a viewer does not draw: where the times come from, and what they are good for.
  private struct OtherData: Encodable {
    let schema = TimelineTrace.schema
    let time = "ts and dur are microseconds after zero_ns, which is on the clock of rank 0"
    let zeroNs: Int64
    let clockErrorUs: Double
    let clocks: [RunRecord.Clock]
    let cases: [CaseEntry]
    /// Launches and what was added to their stamps because their clocks overlap.
    let groupShiftsNs: [Int64]
    let slices: Int
    let counters: Int
    let arrows: Int
    let arrowsLeftOut: Int
    /// Arrows that end before they begin.
    let arrowsBackwards: Int
    /// Stamps that lay before the stamp taken before them and were moved there.
    let stampsMoved: Int
    let notes: [String]

    struct CaseEntry: Encodable {
      let name: String
      let steps: Int
      let layers: [Int]
      let timing: String
    }
  }

  private func otherData(
    _ schedule: TimelineSchedule, _ drawing: TimelineDrawing
  ) -> some Encodable {
    var notes = [
      "Process p is node p - 1 and thread t is rank t - 1: viewers take 0 for the idle process.",
      "By clocks, transfer is a lower bound for the time on the wire: early ranks may already "
        + "transfer among themselves while they wait. error_ns bounds what may belong to transfer "
        + "instead of wait, or the other way round.",
      "Arrows and rows are routed copies, one per assignment, from the traffic counters, "
        + "not single MPI messages. An arrow begins when its sender enters the exchange and ends "
        + "1 ns before its receiver has all rows, inside the slice that received them.",
    ]
    if drawing.arrowsLeftOut > 0 {
      notes.append(
        "\(drawing.arrowsLeftOut) arrows are left out: with them the trace would have more than "
          + "\(eventLimit) events.")
    }
    if drawing.arrowsBackwards > 0 {
      notes.append(
        "\(drawing.arrowsBackwards) arrows end before they begin, for clocks are compared with an "
          + "error; viewers may leave them out.")
    }
    return OtherData(
      zeroNs: schedule.zero, clockErrorUs: clockErrorUs, clocks: clocks,
      cases: cases.map {
        OtherData.CaseEntry(
          name: $0.name, steps: $0.timeline.stepCount, layers: $0.layers,
          timing: $0.timeline.timing == .clocks ? "clocks" : "barrier")
      },
      groupShiftsNs: schedule.shifts, slices: drawing.slices, counters: drawing.counters,
      arrows: drawing.arrows, arrowsLeftOut: drawing.arrowsLeftOut,
      arrowsBackwards: drawing.arrowsBackwards, stampsMoved: drawing.stampsMoved, notes: notes)
  }
}
