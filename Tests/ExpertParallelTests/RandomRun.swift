// SPDX-License-Identifier: Apache-2.0
// epsim: small runs drawn at random, all ranks alike, and what they must agree with.

import CostModel
import ExpertParallel
import Kernels
import MoE
import Placement
import Workloads

/// A run of several cases on the same tokens, drawn from a seed, the number of ranks and a number.
struct RandomRun {
  /// What a failure needs so that it can be drawn again.
  let name: String
  let configuration: RunConfiguration
  /// The plain exchange of the same tokens on one rank: a case for each pair of wires.
  let plain: RunConfiguration
  /// Where choices are looked up; nil where a router computes them.
  let source: (any RoutingSource)?

  static let seed: UInt64 = 5
  /// Sizes of rows and experts; few, for a kernel is made for each. A row of 129 values has two
  /// blocks of fp8, the last of one value.
  static let sizes = [(hidden: 40, ffn: 24), (hidden: 129, ffn: 8), (hidden: 16, ffn: 32)]

  init(number: Int, ranks: Int, caseCount: Int) throws {
    var draws = RandomDraws(
      key: CounterRandom(seed: Self.seed, UInt64(ranks)).key, number: number)
    let model = Self.model(&draws)
    let layers = draws.below(2) == 0 ? [0] : [2, 1].prefix(draws.range(1...2)).sorted()
    let tokens = draws.below(8) == 0 ? draws.below(3) : draws.below(41)
    let topology = Self.topology(ranks: ranks, &draws)
    let (warmup, steps) = (draws.below(3), draws.range(1...2))
    // Some ranks may have no tokens.
    let holders = (0...draws.below(ranks)).map { _ in Int32(draws.below(ranks)) }
    let rankOfPosition = (0..<warmup + steps).map { _ in
      (0..<tokens).map { _ in holders[draws.below(holders.count)] }
    }
    let (routing, words, source) = try Self.routing(
      model: model, layers: layers, tokens: tokens, ranks: ranks, &draws)
    let load =
      source.map { LoadHistogram(source: $0, layers: layers, steps: 0..<1, windowSize: 64) }
      ?? LoadHistogram(layers: layers, expertCount: model.expertCount)
    let cases = try (0..<caseCount).map { _ in
      let placement = try Self.placement(load: load, topology: topology, model: model, &draws)
      let choice = ReplicaChoice.allCases[draws.below(ReplicaChoice.allCases.count)]
      let scheme = Self.scheme(&draws)
      return RunCase(
        name: "\(placement.name) \(choice) \(scheme)", placement: placement,
        replicaChoice: choice, exchange: scheme)
    }
    self.source = source
    name =
      "run \(number) of seed \(Self.seed) on \(ranks) ranks, nodes \(topology.nodeOfRank): E "
      + "\(model.expertCount), K \(model.topK), H \(model.hiddenSize), \(tokens) tokens, \(words)"
    configuration = RunConfiguration(
      model: model, layers: layers, elementType: .f32, weightSharing: .perLayer, seed: 11,
      tokenCount: tokens, rankOfPosition: rankOfPosition, warmupSteps: warmup,
      measuredSteps: steps, routings: [routing], cases: cases, topology: topology,
      checksReference: true)
    let wires = Set(cases.map { Wires($0.exchange) }).sorted()
    let onePlacement = try ExpertPlacement(
      name: "one rank", layers: layers, expertCount: model.expertCount,
      slotOffsets: [0, model.expertCount],
      physicalToLogical: layers.map { _ in (0..<Int32(model.expertCount)).map { $0 } })
    var plain = configuration
    plain.topology = Topology(ranks: 1)
    plain.rankOfPosition = rankOfPosition.map { $0.map { _ in 0 } }
    plain.measuredSteps = 1
    plain.cases = wires.map {
      RunCase(
        name: $0.name, placement: onePlacement, replicaChoice: .expertRoundRobin,
        exchange: ExchangeScheme(wire: $0.wire, combineWire: $0.combineWire))
    }
    self.plain = plain
  }

  private static func model(_ draws: inout RandomDraws) -> ModelShape {
    let experts = draws.range(1...24)
    let size = sizes[draws.below(sizes.count)]
    return ModelShape(
      name: "random", source: "test", hiddenSize: size.hidden, expertFFNSize: size.ffn,
      expertCount: experts, topK: draws.range(1...min(experts, 8)),
      sharedExpertCount: draws.below(4) == 0 ? 1 : 0, layerCount: 3,
      router: RouterRule(score: .softmax, renormalises: true))
  }

  /// Any partition of the ranks into nodes, unequal and in any order.
  private static func topology(ranks: Int, _ draws: inout RandomDraws) -> Topology {
    let nodes = draws.range(1...ranks)
    var numbers: [Int: Int] = [:]
    return Topology(
      nodeOfRank: (0..<ranks).map { _ in
        let node = draws.below(nodes)
        let number = numbers[node] ?? numbers.count
        numbers[node] = number
        return number
      })
  }

  private static func routing(
    model: ModelShape, layers: [Int], tokens: Int, ranks: Int, _ draws: inout RandomDraws
  ) throws -> (CaseRouting, String, (any RoutingSource)?) {
    if draws.below(4) == 0 {
      let policies: [CapacityRule.DropPolicy] = [.position, .probability, .random]
      let capacity =
        draws.below(2) == 0
        ? nil
        : CapacityRule(
          factor: 0.25 + 0.25 * Double(draws.below(6)), policy: policies[draws.below(3)],
          scope: .global)
      let live = try LiveRouting(
        RouterSpec(parsing: "router"), model: model, layers: layers, capacity: capacity, seed: 11,
        tokensPerStep: tokens, rankCount: ranks)
      return (.router(live), "router, capacity \(capacity?.factor ?? .infinity)", nil)
    }
    let source = RandomRouting(model: model, &draws)
    return (.workload(source), source.name, source)
  }

  private static func placement(
    load: LoadHistogram, topology: Topology, model: ModelShape, _ draws: inout RandomDraws
  ) throws -> ExpertPlacement {
    let extra = draws.below(model.expertCount + 1)
    let texts = [
      "contiguous", "round-robin", "random:\(draws.below(1000))", "lpt", "eplb+\(extra):global",
    ]
    let kind = draws.below(texts.count + 1)
    if kind < texts.count {
      return try PlacementSpec(parsing: texts[kind]).place(
        load: load, topology: topology, groups: 1, modelLayers: load.layers)
    }
    // Slots anywhere: ranks without any, with many, with two of an expert.
    let slots = model.expertCount + extra
    let ends = (1..<topology.rankCount).map { _ in draws.below(slots + 1) }.sorted()
    return try ExpertPlacement(
      name: "uneven \(ends)+\(extra)", layers: load.layers, expertCount: model.expertCount,
      slotOffsets: [0] + ends + [slots],
      physicalToLogical: load.layers.map { _ in
        var row = (0..<slots).map {
          Int32($0 < model.expertCount ? $0 : draws.below(model.expertCount))
        }
        draws.shuffle(&row)
        return row
      })
  }

  private static func scheme(_ draws: inout RandomDraws) -> ExchangeScheme {
    while true {
      let scheme = ExchangeScheme(
        dedup: Dedup.allCases[draws.below(Dedup.allCases.count)],
        transport: Transport.allCases[draws.below(Transport.allCases.count)],
        wire: WireFormat.allCases[draws.below(WireFormat.allCases.count)],
        combine: CombineRule.allCases[draws.below(CombineRule.allCases.count)],
        combineWire: ElementType.allCases[draws.below(ElementType.allCases.count)],
        chunks: draws.below(2) == 0 ? 1 : draws.range(2...5))
      if scheme.contradiction == nil { return scheme }
    }
  }
}

/// The two encodings of an exchange.
struct Wires: Hashable, Comparable {
  let wire: WireFormat
  let combineWire: ElementType

  init(_ scheme: ExchangeScheme) {
    wire = scheme.wire
    combineWire = scheme.combineWire
  }

  var name: String { "\(wire)-\(combineWire)" }

  static func < (left: Wires, right: Wires) -> Bool { left.name < right.name }
}

/// Choices of a popularity law, or of the same experts for all tokens; some dropped, of some tokens
/// all.
struct RandomRouting: RoutingSource {
  let name: String
  let expertCount: Int
  let topK: Int

  private let zipf: ZipfWorkload?
  private let firstExpert: Int
  private let dropRate: Double
  private let tokenDropRate: Double

  init(model: ModelShape, _ draws: inout RandomDraws) {
    expertCount = model.expertCount
    topK = model.topK
    let exponent = 0.5 * Double(draws.below(5))
    zipf =
      draws.below(4) == 0
      ? nil
      : ZipfWorkload(
        exponent: exponent, expertCount: expertCount, topK: topK, layerCount: model.layerCount,
        seed: draws.next())
    firstExpert = draws.below(expertCount)
    dropRate = [0, 0, 0.1, 0.5][draws.below(4)]
    tokenDropRate = [0, 0, 0.2, 1][draws.below(4)]
    name =
      (zipf == nil ? "all tokens to \(firstExpert)..." : "zipf:\(exponent)")
      + ", drops \(dropRate), of tokens \(tokenDropRate)"
  }

  func hasLayer(_ layer: Int) -> Bool { zipf?.hasLayer(layer) ?? true }

  func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    zipf?.route(layer: layer, step: step, positions: positions, into: &decision)
    for token in 0..<decision.tokenCount {
      let random = CounterRandom(
        seed: 3, UInt64(layer), UInt64(step), UInt64(bitPattern: Int64(positions[token])))
      let isDropped = random.unit(at: 0) < tokenDropRate
      for k in 0..<topK {
        let index = token * topK + k
        if zipf == nil {
          decision.expertIndices[index] = Int32((firstExpert + k) % expertCount)
          decision.routingWeights[index] = Float(random.unit(at: UInt64(100 + k)))
        }
        if isDropped || random.unit(at: UInt64(1 + k)) < dropRate {
          decision.expertIndices[index] = RoutingDecision.dropped
        }
      }
    }
  }
}

extension RandomDraws {
  /// A number in `0 ..< bound`.
  mutating func below(_ bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// A number in a range.
  mutating func range(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + below(range.count)
  }
}
