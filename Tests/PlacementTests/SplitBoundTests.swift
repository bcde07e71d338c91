// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the exact min-max split over given copies.

import CostModel
import MoE
import Placement
import Testing
import Workloads

@Suite struct SplitBoundTests {
  /// The example of the EPLB README: two layers of 12 experts.
  private let readmeLoads = [
    [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
    [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
  ]

  /// Ranks with the given experts, one layer.
  private func placement(_ ranks: [[Int32]]) throws -> ExpertPlacement {
    try ExpertPlacement(
      name: "p", layers: [0], expertCount: Int(ranks.joined().max()!) + 1,
      slotOffsets: ranks.reduce(into: [0]) { $0.append($0.last! + $1.count) },
      physicalToLogical: [ranks.flatMap { $0 }])
  }

  /// Four ranks, expert e on ranks e and e + 1 modulo 4; largest load when dealt evenly, L*.
  @Test(arguments: [
    ([8, 4, 0, 0], 6, 12, [0, 1, 2]), ([10, 2, 6, 2], 6, 20, [0, 1, 2, 3]),
    ([12, 0, 0, 0], 6, 12, [0, 1]), ([9, 5, 1, 1], 7, 14, [0, 1, 2]),
  ])
  func ring(load: [Int], even: Double, numerator: Int, tight: [Int]) throws {
    let ring = try placement([[0, 3], [0, 1], [1, 2], [2, 3]])
    let bound = try SplitBound(placement: ring, layerRow: 0, load: load)
    #expect(bound.load == numerator && bound.ranks == tight)
    let histogram = LoadHistogram(layers: [0], rows: [load])
    #expect(try ring.uniformRankLoads(histogram, layerRow: 0).max() == even)
  }

  /// EPLB's placements of the README example, and placements that are optimal for a uniform or for
  /// any split.
  @Test func readmeExample() throws {
    let load = LoadHistogram(layers: [0, 1], rows: readmeLoads)
    let problem = PlacementProblem(
      load: load, topology: Topology(ranks: 8, nodes: 2), groups: 4, extraSlots: 4)
    for (policy, expected) in [
      (EPLBPlacement.Policy.hierarchical, [154.0, 173]), (.global, [137, 172]),
    ] {
      let placement = try EPLBPlacement(policy: policy).place(problem, name: "eplb")
      for layer in 0...1 {
        let bound = try SplitBound(
          placement: placement, layerRow: layer, load: readmeLoads[layer])
        #expect(bound.value == expected[layer], "\(policy), layer \(layer)")
      }
    }
    let witnesses: [(Int, [[Int32]], Double)] = [
      (0, [[8, 9], [1, 7], [3, 4], [3, 11], [0, 5], [2, 10], [6, 10], [0, 5]], 136),
      (0, [[0, 6], [5, 7], [4, 5], [1, 2], [3, 10], [5, 10], [8, 9], [1, 11]], 129.25),
      (1, [[6, 9], [2, 8], [3, 5], [7, 11], [8, 10], [1, 7], [4, 6], [0, 5]], 146),
    ]
    for (layer, ranks, expected) in witnesses {
      let bound = try SplitBound(
        placement: placement(ranks), layerRow: 0, load: readmeLoads[layer])
      #expect(bound.value == expected)
    }
  }

  /// No placement of two slots a rank is below 129.25 and 146, however load is shared.
  ///
  /// Ranks are edges between the two experts that they hold, so experts fall into components; one
  /// of v experts takes v - 1 ranks at least and serves its load no better than evenly. All
  /// partitions of the experts are tried.
  @Test func noSplitPlacementOfTheReadmeIsBelowTheWitness() {
    for (layer, best) in [(0, 129.25), (1, 146.0)] {
      #expect(!Self.fits(readmeLoads[layer], ranks: 8, below: best - 1e-6))
      #expect(Self.fits(readmeLoads[layer], ranks: 8, below: best + 1e-6))
    }
  }

  /// Whether some partition of the experts takes no more ranks than there are, at this load each.
  private static func fits(_ loads: [Int], ranks: Int, below limit: Double) -> Bool {
    var (sizes, sums) = ([Int](), [Int]())
    func needed(_ size: Int, _ sum: Int) -> Int {
      max(1, size - 1, Int((Double(sum) / limit).rounded(.up)))
    }
    func place(_ expert: Int, taken: Int) -> Bool {
      guard taken <= ranks else { return false }
      guard expert < loads.count else { return true }
      for part in 0...sizes.count {
        if part == sizes.count {
          sizes.append(0)
          sums.append(0)
        }
        let before = sizes[part] == 0 ? 0 : needed(sizes[part], sums[part])
        sizes[part] += 1
        sums[part] += loads[expert]
        let found = place(
          expert + 1, taken: taken - before + needed(sizes[part], sums[part]))
        sizes[part] -= 1
        sums[part] -= loads[expert]
        if sizes[part] == 0 {
          sizes.removeLast()
          sums.removeLast()
        }
        if found { return true }
      }
      return false
    }
    return place(0, taken: 0)
  }

  /// Against the definition: the largest mean, over sets of ranks, of what only they can serve.
  @Test func equalsTheDefinitionOnSmallCases() throws {
    for number in 0..<300 {
      let instance = try RandomInstance(number, ranks: 1...6, experts: 1...7, tokens: 12)
      let (ranks, load) = (instance.topology.rankCount, instance.tokens.load)
      let hosts = load.indices.map { instance.hosts(of: $0).reduce(0) { $0 | 1 << $1 } }
      var largest = (load: 0, count: 1)
      for set in 1..<1 << ranks {
        let own = load.indices.reduce(0) { $0 + (hosts[$1] & ~set == 0 ? load[$1] : 0) }
        if own * largest.count > largest.load * set.nonzeroBitCount {
          largest = (own, set.nonzeroBitCount)
        }
      }
      let bound = try SplitBound(placement: instance.placement, layerRow: 0, load: load)
      #expect(bound.load * largest.count == largest.load * bound.ranks.count, "\(number)")
      let set = bound.ranks.reduce(0) { $0 | 1 << $1 }
      let own = load.indices.reduce(0) { $0 + (hosts[$1] & ~set == 0 ? load[$1] : 0) }
      #expect(own == bound.load, "the set of \(number) is no certificate")
    }
  }

  @Test func loadsBeyondTheRangeAreRefused() throws {
    let two = try placement([[0, 1], [0, 1]])
    #expect(throws: InputError.self) {
      try SplitBound(placement: two, layerRow: 0, load: [Int.max / 2, 2])
    }
    #expect(try SplitBound(placement: two, layerRow: 0, load: [0, 0]).value == 0)
  }
}
