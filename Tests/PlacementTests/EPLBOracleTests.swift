// SPDX-License-Identifier: Apache-2.0
// epsim: tests of EPLB against the maps and balance numbers of the original program.

import CostModel
import Foundation
import Placement
import Testing
import Workloads

/// One case of `eplb-oracle/oracle.json`.
private struct OracleCase: Decodable {
  struct Elsewhere: Decodable {
    var mean: Double
    var min: Double
  }

  var `case`: String
  var input: String
  var layers: Int
  var experts: Int
  var numReplicas: Int
  var numGroups: Int
  var numNodes: Int
  var numGpus: Int
  var policy: String
  var perLayer: [Double]
  var balancednessMean: Double
  var sumMeanOverSumMax: Double
  var contiguousBaselineMean: Double?
  var contiguousBaselineMin: Double?
  var maxReplicas: Int
  var evaluatedOn: [String: Elsewhere]

  var topology: Topology { Topology(ranks: numGpus, nodes: numNodes) }
  var inputPath: String {
    input.hasPrefix("../") ? String(input.dropFirst(3)) : "eplb-oracle/\(input)"
  }

  /// The map that the original program gave.
  func map(layers: [Int]) throws -> ExpertPlacement {
    let name = "eplb-oracle/\(self.case).phy2log.csv"
    return try ExpertPlacement(
      bytes: Fixtures.bytes(name), path: name, layerLists: [layers], expertCount: experts,
      rankCount: numGpus)
  }

  /// The load file of another domain of the same model.
  func inputPath(domain: String) -> String {
    let (model, rest) = (input.prefix { $0 != "_" }, input.components(separatedBy: "_load")[1])
    return "\(model.dropFirst(3))_\(domain)_load\(rest)"
  }
}

@Suite struct EPLBOracleTests {
  /// The stored balancedness has 6 decimals.
  private let tolerance = 1e-6

  private func cases() throws -> [OracleCase] {
    let cases = try Fixtures.json("eplb-oracle/oracle.json", as: [OracleCase].self)
    #expect(cases.count == 12)
    return cases
  }

  private func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
  }

  @Test func everyMapOfTheOriginalIsReproduced() throws {
    for oracle in try cases() {
      let load = try Fixtures.load(oracle.inputPath)
      #expect(load.layers.count == oracle.layers && load.expertCount == oracle.experts)
      for policy in [EPLBPlacement.Policy.automatic, .init(rawValue: oracle.policy)!] {
        let placement = try EPLBPlacement(policy: policy).place(
          PlacementProblem(
            load: load, topology: oracle.topology, groups: oracle.numGroups,
            extraSlots: oracle.numReplicas - oracle.experts),
          name: oracle.case)
        let map = try oracle.map(layers: load.layers)
        #expect(placement.physicalToLogical == map.physicalToLogical, "\(oracle.case)")
        #expect(placement.slotOffsets == map.slotOffsets, "\(oracle.case)")
      }
    }
  }

  @Test func everyBalancednessOfTheOriginalIsReproduced() throws {
    for oracle in try cases() {
      let load = try Fixtures.load(oracle.inputPath)
      let placement = try oracle.map(layers: load.layers)
      let balancedness = try placement.balancedness(load)
      for (ours, theirs) in zip(balancedness, oracle.perLayer) {
        #expect(abs(ours - theirs) <= tolerance, "\(oracle.case)")
      }
      #expect(abs(mean(balancedness) - oracle.balancednessMean) <= tolerance)
      let loads = try load.layers.indices.map {
        try placement.uniformRankLoads(load, layerRow: $0)
      }
      let means = loads.map { mean($0) }.reduce(0, +)
      let largest = loads.map { $0.max()! }.reduce(0, +)
      #expect(abs(means / largest - oracle.sumMeanOverSumMax) <= tolerance)
      let replicas = load.layers.indices.map { placement.replicaCounts(layerRow: $0).max()! }
      #expect(replicas.max() == oracle.maxReplicas)

      for (domain, expected) in oracle.evaluatedOn {
        let other = try Fixtures.load(oracle.inputPath(domain: domain))
        let balancedness = try placement.balancedness(other)
        #expect(abs(mean(balancedness) - expected.mean) <= tolerance, "\(oracle.case) \(domain)")
        #expect(abs(balancedness.min()! - expected.min) <= tolerance, "\(oracle.case) \(domain)")
      }
    }
  }

  @Test func contiguousHasTheBalancednessOfTheOriginalBaseline() throws {
    for oracle in try cases() {
      let load = try Fixtures.load(oracle.inputPath)
      let placement = try ContiguousPlacement().place(
        PlacementProblem(load: load, topology: oracle.topology), name: "contiguous")
      let balancedness = try placement.balancedness(load)
      if let expected = oracle.contiguousBaselineMean {
        #expect(abs(mean(balancedness) - expected) <= tolerance, "\(oracle.case)")
      }
      if let expected = oracle.contiguousBaselineMin {
        #expect(abs(balancedness.min()! - expected) <= tolerance, "\(oracle.case)")
      }
    }
  }

  private let readme = [
    [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
    [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
  ]

  /// The example of the EPLB README: map, replica counts and rank loads.
  @Test func theReadmeExampleIsReproduced() throws {
    let load = try load(readme[0], readme[1])
    let placement = try EPLBPlacement().place(
      PlacementProblem(
        load: load, topology: Topology(ranks: 8, nodes: 2), groups: 4, extraSlots: 4),
      name: "readme")
    #expect(
      placement.physicalToLogical == [
        [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
        [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
      ])
    #expect(placement.replicaCounts(layerRow: 0) == [1, 2, 1, 1, 2, 2, 1, 1, 1, 1, 2, 1])
    #expect(placement.replicaCounts(layerRow: 1) == [1, 2, 1, 1, 1, 2, 2, 1, 2, 1, 1, 1])
    #expect(
      try placement.uniformRankLoads(load, layerRow: 0)
        == [121.5, 86.5, 125, 113, 147.5, 131.5, 156, 152])
    #expect(
      try placement.uniformRankLoads(load, layerRow: 1)
        == [173, 179.5, 120.5, 172, 123, 152, 118.5, 117.5])
  }

  /// The same weights where 4 groups cannot be dealt to 3 nodes; two copies of one expert meet.
  @Test func globalPolicyGivesTheKnownMapWithItsUselessReplica() throws {
    let load = try load(readme[0], readme[1])
    let placement = try EPLBPlacement().place(
      PlacementProblem(
        load: load, topology: Topology(ranks: 8, nodes: 3), groups: 4, extraSlots: 4),
      name: "global")
    #expect(
      placement.physicalToLogical == [
        [10, 6, 10, 7, 0, 2, 11, 4, 5, 9, 5, 4, 8, 3, 1, 1],
        [1, 10, 2, 4, 5, 11, 5, 0, 6, 7, 6, 3, 8, 8, 9, 7],
      ])
    #expect(
      try placement.uniformRankLoads(load, layerRow: 0)
        == [130.5, 95.5, 130, 138, 138.5, 134.5, 134, 132])
    #expect(try placement.uniformRankLoads(load, layerRow: 1).max() == 172)
    // Rank 7 holds expert 1 twice, and in the other layer rank 6 expert 8.
    #expect(placement.experts(onRank: 7, layerRow: 0) == [1])
    #expect(placement.experts(onRank: 6, layerRow: 1) == [8])
    #expect(placement.uselessReplicaCount(layerRow: 0) == 1)
    #expect(placement.uselessReplicaCount(layerRow: 1) == 1)
  }
}
