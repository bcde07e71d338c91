// SPDX-License-Identifier: Apache-2.0
// epsim: measured runs for tests of the trace, and the trace as a viewer reads it.

import CostModel
import Foundation
import Placement
import Reporting
import Testing
import Timing
import Workloads

/// Two cases whose steps alternate, on ranks whose phases take different times.
struct MeasuredRun {
  let origin: Int64
  private(set) var cases: [TimelineTrace.Case]
  let topology: Topology
  var traffic: [[TrafficCounters]] { cases.map(\.traffic) }

  /// - Parameters:
  ///   - stepLength: from the beginning of a step to that of the next, nanoseconds.
  ///   - barrier: what a rank spends in the barrier of each exchange, nanoseconds.
  ///   - groupRewind: how far the clock goes back with each further launch, nanoseconds.
  ///   - skew: how much later than the rank before it a rank begins, nanoseconds.
  ///   - backwards: whether the end of `plan` lies 5 ns before that of `route`.
  init(
    ranks: Int, nodes: Int, layers: [Int], steps: Int, timing: ExchangeTiming = .clocks,
    names: [String] = ["contiguous", "round robin"], origin: Int64 = 5_000_001,
    stepLength: Int64 = 100_000, barrier: Int64 = 0, groupSteps: [Int]? = nil,
    groupRewind: Int64 = 0, backwards: Bool = false, skew: Int64 = 7
  ) {
    self.origin = origin
    topology = Topology(ranks: ranks, nodes: nodes)
    let topology = topology
    cases = names.enumerated().map { index, name in
      let layout = StampLayout(layerCount: layers.count)
      var timeline = CaseTimeline(layout: layout, rankCount: ranks, timing: timing)
      for step in 0..<steps {
        let group = groupSteps.map { step < $0[0] ? 0 : 1 } ?? 0
        let start =
          origin + Int64(step) * stepLength + Int64(index) * 50_000 - Int64(group) * groupRewind
        timeline.append(
          stampsOfRank: (0..<ranks).map { rank in
            Self.stamps(
              start: start + Int64(rank) * skew, rank: rank, ranks: ranks, layers: layers.count,
              barrier: barrier, backwards: backwards)
          }, clockErrors: Array(repeating: 250, count: ranks))
      }
      let traffic = (0..<steps).map { step in
        Self.traffic(topology, layers: layers, seed: index * 100 + step)
      }
      return TimelineTrace.Case(
        name: name, layers: layers, timeline: timeline, traffic: traffic, groupSteps: groupSteps)
    }
  }

  /// Off-rank pairs of ranks with rows, over all steps, cases and layers.
  var pairsWithRows: Int {
    traffic.joined().reduce(0) { sum, step in
      step.placement.layers.indices.reduce(sum) { sum, layer in
        let matrix = step.layer(layer).raw
        return (0..<topology.rankCount).reduce(sum) { sum, source in
          sum
            + (0..<topology.rankCount).count { source != $0 && matrix[source, $0] > 0 }
        }
      }
    }
  }

  func trace(
    host: String = "host", eventLimit: Int = TimelineTrace.defaultEventLimit
  ) -> TimelineTrace {
    let hosts = topology.nodeOfRank.map { host == "host" ? "host\($0)" : host }
    let ranks = Array(topology.nodeOfRank.indices)
    let (near, far) = (
      ranks.filter { $0 < ranks.count / 2 }, ranks.filter { $0 >= ranks.count / 2 }
    )
    return TimelineTrace(
      cases: cases, nodeOfRank: topology.nodeOfRank, hosts: hosts,
      clocks: [
        RunRecord.Clock(
          ranks: near, offsetNs: 0, driftPpm: nil, errorUs: 0, residualUs: 0, verified: true,
          anchors: 2),
        RunRecord.Clock(
          ranks: far, offsetNs: 1_234_567_890_123, driftPpm: 1.5, errorUs: 0.25, residualUs: 0.1,
          verified: true, anchors: 2),
      ], clockErrorUs: 0.5, eventLimit: eventLimit)
  }

  /// The same run with all messages of two ranks complete when they arrive.
  func withPartners() -> MeasuredRun {
    var run = self
    run.cases = cases.map { entry in
      let timeline = entry.timeline
      let (ranks, size) = (timeline.rankCount, timeline.layout.stampsPerStep)
      let layout = StampLayout(layerCount: timeline.layout.layerCount, partnerCount: ranks)
      var partners = CaseTimeline(layout: layout, rankCount: ranks, timing: timeline.timing)
      for step in 0..<timeline.stepCount {
        let stamps = (0..<ranks).map { rank -> [Int64] in
          let first = (step * ranks + rank) * size
          var stamps = Array(repeating: timeline.stamps[first], count: layout.stampsPerStep)
          stamps[stamps.count - 1] = timeline.stamps[first + size - 1]
          for layer in 0..<layout.layerCount {
            for stamp in LayerStamp.allCases {
              stamps[layout.index(of: stamp, layer: layer)] = timeline.stamp(
                stamp, layer: layer, rank: rank, step: step)
            }
            for exchange in Phase.Exchange.allCases {
              let arrived = timeline.stamps(of: exchange, layer: layer, step: step)[rank].arrived
              let completion = layout.firstCompletion(of: exchange, layer: layer)
              for index in completion...completion + ranks { stamps[index] = arrived }
            }
          }
          return stamps
        }
        partners.append(
          stampsOfRank: stamps,
          clockErrors: Array(timeline.clockErrors[step * ranks..<(step + 1) * ranks]))
      }
      return TimelineTrace.Case(
        name: entry.name, layers: entry.layers, timeline: partners, traffic: entry.traffic,
        groupSteps: entry.groupSteps)
    }
    return run
  }

  /// Every rank enters an exchange at a time of its own and leaves it after the last has entered.
  private static func stamps(
    start: Int64, rank: Int, ranks: Int, layers: Int, barrier: Int64, backwards: Bool
  ) -> [Int64] {
    var stamps = [start]
    var time = start
    for _ in 0..<layers {
      let late = Int64(rank * 101)
      let most = Int64((ranks - 1) * 108)
      let exchange = [barrier, most - late + 333, 57]
      // In the order of the stamps; 30 ns before the first phase and 20 ns after the last.
      let steps: [Int64] =
        [11, 30, 700, 300, 200 + late] + exchange + [40, 2000, 0, 60 + late] + exchange + [90, 20]
      for step in steps {
        time += step
        stamps.append(time)
      }
      if backwards {
        let plan = stamps.count - LayerStamp.allCases.count + LayerStamp.plan.rawValue
        stamps[plan] = stamps[plan - 1] - 5
      }
    }
    stamps.append(time + 13)
    return stamps
  }

  /// Pairs of experts that differ from token to token; not every pair of ranks has rows.
  private static func traffic(
    _ topology: Topology, layers: [Int], seed: Int
  ) -> TrafficCounters {
    let experts = 2 * topology.rankCount
    let placement = try! PlacementSpec(parsing: "contiguous").place(
      load: LoadHistogram(layers: layers, expertCount: experts), topology: topology, groups: 1,
      modelLayers: layers)
    var counters = TrafficCounters(placement: placement, topology: topology)
    for row in layers.indices {
      for rank in 0..<topology.rankCount {
        let slots = (0..<2 + (seed + rank) % 3).map {
          Int32(($0 * 5 + rank + row + seed) % experts)
        }
        slots.withUnsafeBufferPointer {
          counters.add(layerRow: row, sourceRank: rank, slots: $0, topK: 1)
        }
      }
    }
    return counters
  }
}

/// A trace as a viewer reads it; times in nanoseconds.
struct ParsedTrace {
  struct Event {
    let kind: String
    let name: String
    let category: String
    /// Numbered from 0 here, from 1 in the file.
    let node: Int
    let rank: Int
    let start: Int
    let length: Int
    let id: Int?
    let binding: String?
    let color: String?
    let arguments: [String: Any]
    var end: Int { start + length }
  }

  let unit: String?
  let other: [String: Any]
  let events: [Event]
  var slices: [Event] { events.filter { $0.kind == "X" } }
  /// Events by node and rank, in the order of the file.
  let tracks: [[Int]: [Event]]

  init(_ data: Data) throws {
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    unit = object["displayTimeUnit"] as? String
    other = try #require(object["otherData"] as? [String: Any])
    func nanoseconds(_ value: Any?) -> Int {
      (value as? Double).map { Int(($0 * 1000).rounded()) } ?? 0
    }
    events = try #require(object["traceEvents"] as? [[String: Any]]).map { event in
      Event(
        kind: try #require(event["ph"] as? String), name: try #require(event["name"] as? String),
        category: event["cat"] as? String ?? "", node: try #require(event["pid"] as? Int) - 1,
        rank: try #require(event["tid"] as? Int) - 1, start: nanoseconds(event["ts"]),
        length: nanoseconds(event["dur"]), id: event["id"] as? Int,
        binding: event["bp"] as? String, color: event["cname"] as? String,
        arguments: event["args"] as? [String: Any] ?? [:])
    }
    tracks = Dictionary(grouping: events.filter { $0.kind != "M" }) { [$0.node, $0.rank] }
  }

  /// The slice with this name around an event, on its track.
  func slice(_ name: String, around event: Event) -> Event? {
    tracks[[event.node, event.rank]]?.first {
      $0.kind == "X" && $0.name == name && $0.start <= event.start && event.start < $0.end
    }
  }

  /// The slice that began last among those around an event.
  func innermost(around event: Event) -> Event? {
    tracks[[event.node, event.rank]]?.last {
      $0.kind == "X" && $0.start <= event.start && event.start < $0.end
    }
  }
}
