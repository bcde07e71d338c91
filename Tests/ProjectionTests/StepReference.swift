// SPDX-License-Identifier: Apache-2.0
// epsim: a step computed token by token, slowly and in the open.

import CostModel
import Foundation
import MoE
import Placement
import Projection

/// The time of a step without chunks, from tokens.
struct StepReference {
  var projected: ProjectedCase
  var network: NetworkParameters
  var ranks: [RankParameters]
  var fixture: StepFixture

  /// Copies between two ranks.
  private typealias Messages = [Int: [Int: Double]]

  func time() -> Double {
    var ready = Array(repeating: 0.0, count: fixture.rankCount)
    for layer in fixture.layers { advance(&ready, layer, gradients: false) }
    if projected.runsBackward {
      for layer in fixture.layers.reversed() { advance(&ready, layer, gradients: true) }
    }
    return ready.max()!
  }

  private func advance(_ ready: inout [Double], _ layer: [[[Int32]]], gradients: Bool) {
    let hidden = Double(projected.model.hiddenSize)
    let (wire, back) = (projected.dispatchBytes.value, projected.combineBytes.value)
    let all = fixture.rankCount
    let products = gradients ? 2.0 : 1

    // What every token asks for.
    var rows = Array(repeating: 0.0, count: fixture.slotOffsets.last!)
    var (assigned, packed, kept, keptResults) = (zeros, zeros, zeros, zeros)
    var (grouped, returned, reduced) = (zeros, zeros, zeros)
    // What a rank does for `node` while rows travel.
    var (encoded, passedOn, taken) = (zeros, zeros, zeros)
    var (between, inside, straight) = (Messages(), Messages(), Messages())
    var talks = Set<[Int]>()
    for (source, tokens) in layer.enumerated() {
      for token in tokens {
        let slots = token.filter { $0 >= 0 }
        let hosts = slots.map(fixture.rank)
        for slot in slots { rows[Int(slot)] += 1 }
        for host in hosts {
          assigned[source] += 1
          grouped[host] += 1
          straight[source, default: [:]][host, default: 0] += 1
          if host != source { talks.insert([source, host]) }
        }
        let distinct = Set(hosts)
        let nodes = Set(distinct.map { fixture.topology.nodeOfRank[$0] })
        switch projected.dedup {
        case .none, .rank:
          let copies = projected.dedup == .none ? hosts : Array(distinct)
          packed[source] += Double(copies.count)
          for host in copies {
            if host == source { kept[source] += 1 }
            send(source, host, &between, &inside)
          }
        case .node:
          for node in nodes {
            let partner = NodePartners(fixture.topology).partner(of: source, on: node)
            if partner == source {
              encoded[source] += 1
            } else {
              packed[source] += 1
              between[source, default: [:]][partner, default: 0] += 1
            }
            taken[partner] += 1
            for host in distinct where fixture.topology.nodeOfRank[host] == node {
              passedOn[partner] += 1
              if host == partner {
                kept[host] += 1
              } else {
                inside[partner, default: [:]][host, default: 0] += 1
              }
            }
          }
        }
        let isReduced = projected.combine == .preReduced
        for host in isReduced && projected.dedup != .none ? Array(distinct) : hosts {
          returned[host] += 1
          if host == source, !(isReduced && projected.dedup == .node) { keptResults[source] += 1 }
        }
        reduced[source] += Double(
          !isReduced || projected.dedup == .none
            ? hosts.count : projected.dedup == .rank ? distinct.count : nodes.count)
      }
    }

    let there = exchange(
      between, inside, gradients ? back : wire,
      summed: projected.dedup == .node && projected.hops == .summed)
    var home: [Double]
    let isSummedUp = projected.combine == .preReduced && projected.dedup == .node
    if projected.combine == .preReduced {
      home = exchange(
        turned(between), turned(inside), back,
        summed: projected.dedup == .node && projected.hops == .summed)
    } else {
      var (far, near) = (Messages(), Messages())
      for (source, row) in straight {
        for (host, count) in row { send(host, source, &far, &near, count) }
      }
      home = exchange(far, near, back, summed: false)
    }

    func copy(_ rank: Int, _ bytes: Double) -> Double {
      bytes / ranks[rank].copies.value / ranks[rank].speed
    }
    var (entry, arrived) = (zeros, zeros)
    for rank in 0..<all {
      let tokens = Double(layer[rank].count)
      entry[rank] =
        ready[rank] + projected.betweenLayers.value + copy(rank, 8 * hidden * tokens)
        + ranks[rank].perAssignment.value * assigned[rank] / ranks[rank].speed
        + (projected.delays[rank]?.value ?? 0)
        + copy(rank, packed[rank] * (4 * hidden + wire))
    }
    let needs = (0..<all).map { rank in
      there[rank]
        + copy(rank, 2 * wire * (kept[rank] + passedOn[rank]) + encoded[rank] * (4 * hidden + wire))
    }
    for rank in 0..<all {
      arrived[rank] = end(rank, entry, needs) { talks.contains([$0, rank]) }
    }
    for rank in 0..<all {
      let slots = rows[fixture.slotOffsets[rank]..<fixture.slotOffsets[rank + 1]]
      entry[rank] =
        arrived[rank] + copy(rank, grouped[rank] * (wire + projected.elementBytes * hidden))
        + products * experts(rank, Array(slots)) + products * shared(rank, layer[rank].count)
        + copy(rank, grouped[rank] * 4 * hidden + returned[rank] * back)
    }
    let returning = (0..<all).map { rank in
      home[rank] + copy(rank, 2 * back * keptResults[rank])
        + copy(
          rank,
          isSummedUp
            ? back * (2 * kept[rank] + passedOn[rank] + taken[rank] + 2 * encoded[rank]) : 0)
    }
    for rank in 0..<all {
      ready[rank] =
        end(rank, entry, returning) { talks.contains([rank, $0]) }
        + copy(rank, reduced[rank] * back + 8 * hidden * Double(layer[rank].count))
    }
  }

  /// A collective goes from partner to partner as they enter; messages wait for all that send.
  private func end(
    _ rank: Int, _ entry: [Double], _ needs: [Double], sends: (Int) -> Bool
  ) -> Double {
    let others = (0..<fixture.rankCount).filter { $0 != rank }
    guard !projected.waitsForPartnersOnly else {
      return max(entry[rank], others.filter(sends).map { entry[$0] }.max() ?? 0) + needs[rank]
    }
    let all = others.reduce(0) { $0 + needs[$1] }
    guard !others.isEmpty, all > 0 else {
      return max(entry[rank], others.map { entry[$0] }.max() ?? 0) + needs[rank]
    }
    return others.sorted { entry[$0] < entry[$1] }.reduce(entry[rank]) {
      max($0, entry[$1]) + needs[rank] * needs[$1] / all
    }
  }

  private var zeros: [Double] { Array(repeating: 0, count: fixture.rankCount) }

  private func send(
    _ source: Int, _ host: Int, _ between: inout Messages, _ inside: inout Messages,
    _ count: Double = 1
  ) {
    guard source != host else { return }
    let nodes = fixture.topology.nodeOfRank
    if nodes[source] == nodes[host] {
      inside[source, default: [:]][host, default: 0] += count
    } else {
      between[source, default: [:]][host, default: 0] += count
    }
  }

  private func turned(_ messages: Messages) -> Messages {
    var back = Messages()
    for (source, row) in messages {
      for (host, count) in row { back[host, default: [:]][source] = count }
    }
    return back
  }

  /// [R] the larger of what leaves and enters each rank's own ports.
  private func exchange(
    _ between: Messages, _ inside: Messages, _ bytes: Double, summed: Bool
  ) -> [Double] {
    let base = fixture.rankCount > 1 ? network.fixed.value : 0
    func port(_ messages: Messages, _ link: LinkParameters, _ rank: Int) -> Double {
      func time(_ counts: [Double]) -> Double {
        let segment = link.segments[0]
        return Double(counts.count) * segment.latency.value
          + counts.reduce(0, +) * bytes / segment.bandwidth.value
      }
      return max(
        time(messages[rank].map { Array($0.values) } ?? []),
        time(messages.values.compactMap { $0[rank] }))
    }
    let far = (0..<fixture.rankCount).map { port(between, network.between, $0) }
    return (0..<fixture.rankCount).map { rank in
      let near = port(inside, network.inside, rank)
      guard summed else { return base + max(far[rank], near) }
      let node = fixture.topology.nodeOfRank[rank]
      return base + near
        + (0..<fixture.rankCount).filter { fixture.topology.nodeOfRank[$0] == node }
        .map { far[$0] }.max()!
    }
  }

  private func experts(_ rank: Int, _ slots: [Double]) -> Double {
    let model = projected.model
    let work = 2.0 * 3 * Double(model.hiddenSize * model.expertFFNSize)
    let (slowdown, all) = (projected.slowdowns[rank] ?? 1, slots.reduce(0, +))
    switch projected.compute {
    case .none:
      return all * Double(model.hiddenSize) * (projected.elementBytes + 4)
        / ranks[rank].copies.value
        / ranks[rank].speed
    case .emulated(let rate): return slowdown * work * all / rate.value
    case .real:
      let active = Double(slots.count { $0 > 0 })
      return slowdown * roofline(rank, work * all, work / 2 * active, all, model.hiddenSize)
    }
  }

  private func shared(_ rank: Int, _ tokens: Int) -> Double {
    let model = projected.model
    let work = 2.0 * 3 * Double(model.hiddenSize * model.sharedFFNSize)
    switch projected.compute {
    case .none: return 0
    case .emulated(let rate): return work * Double(tokens) / rate.value
    case .real:
      return roofline(
        rank, work * Double(tokens), tokens > 0 ? work / 2 : 0, Double(tokens), model.hiddenSize)
    }
  }

  /// Of one rate for any number of rows.
  private func roofline(
    _ rank: Int, _ work: Double, _ weights: Double, _ rows: Double, _ hidden: Int
  ) -> Double {
    guard rows > 0 else { return 0 }
    let products = work / ranks[rank].efficiencies[0].rate.value
    let bytes = projected.elementBytes * (weights + 2 * rows * Double(hidden))
    let reading = bytes / ranks[rank].memory.value
    let own = pow(pow(products, 4) + pow(reading, 4), 0.25)
    return ranks[rank].fixed.value + own / ranks[rank].speed
  }
}
