// SPDX-License-Identifier: Apache-2.0
// epsim: tests of all lower bounds beside a placement.

import Placement
import Testing
import Workloads

@Suite struct CertificateTests {
  /// Expert e stands on ranks e and e + 1 of four.
  @Test(arguments: [
    ([9, 5, 1, 1], 7.0, 14, [0, 1, 2], [0, 1]), ([12, 0, 0, 0], 6, 12, [0, 1], [0]),
    ([10, 2, 6, 2], 6, 20, [0, 1, 2, 3], [0, 1, 2, 3]),
  ])
  func ranksThatHoldExpertsAloneAreNamed(
    loads: [Int], largest: Double, load: Int, ranks: [Int], experts: [Int]
  ) throws {
    let ring = try ExpertPlacement(
      name: "ring", layers: [7], expertCount: 4, slotOffsets: [0, 2, 4, 6, 8],
      physicalToLogical: [[0, 3, 0, 1, 1, 2, 2, 3]])
    let certificate = try PlacementCertificate(
      ring, load: LoadHistogram(layers: [7], rows: [loads]), layerRow: 0)
    #expect(certificate.layer == 7 && certificate.largestLoad == largest)
    let split = try #require(certificate.split)
    #expect(split.load == load && split.ranks == ranks)
    #expect(split.experts == experts)
    let least = Double(load) / Double(ranks.count)
    #expect(split.value == least)
    #expect(abs(split.gap - (largest / least - 1)) < 1e-12)
    #expect(certificate.cardinality == nil)
  }

  /// EPLB's README weights on two slots of eight ranks: 172 is the best of layer 1.
  @Test func boundsMeetWhereAPlacementIsProvenBest() throws {
    let loads = [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]
    let placement = try ExpertPlacement(
      name: "global", layers: [0], expertCount: 12, slotOffsets: (0...8).map { 2 * $0 },
      physicalToLogical: [[1, 10, 2, 4, 5, 11, 5, 0, 6, 7, 6, 3, 8, 8, 9, 7]])
    let certificate = try PlacementCertificate(
      placement, load: LoadHistogram(layers: [0], rows: [loads]), layerRow: 0)
    #expect(certificate.largestLoad == 172 && certificate.mean == 144.5)
    // Rank 6 holds nothing but expert 8, twice.
    let split = try #require(certificate.split)
    #expect(split.load == 172 && split.ranks == [6])
    #expect(split.experts == [8] && split.gap == 0)
    #expect(certificate.search != nil && certificate.bound <= 172)
  }

  /// 12, 9 and 3 on ranks of speeds 1, 0.5 and 0.5: nobody can be done before 16.
  @Test func loadOverSpeedHasABoundOfItsOwn() throws {
    let placement = try ExpertPlacement(
      name: "given", layers: [0], expertCount: 4, slotOffsets: [0, 2, 3, 4],
      physicalToLogical: [[0, 1, 2, 3]])
    let load = LoadHistogram(layers: [0], rows: [[8, 4, 9, 3]])
    let certificate = try PlacementCertificate(
      placement, load: load, layerRow: 0, speeds: [1, 0.5, 0.5])
    let speed = try #require(certificate.speed)
    // Some two of the four share the fast rank; 9 and 3 there leave 8 / 0.5.
    #expect(speed.largest == 18 && speed.bound <= 16 && speed.bound >= 12)
    #expect(abs(speed.gap - (18 / speed.bound - 1)) < 1e-12)
    #expect(try PlacementCertificate(placement, load: load, layerRow: 0).speed == nil)
  }

  @Test func boundsHoldAndTheirSetsAddUp() throws {
    var random = RandomDraws(key: 31, number: 0)
    for number in 0..<80 {
      let instance = try RandomInstance(number, ranks: 1...6, experts: 1...20, tokens: 1)
      let placement = instance.placement
      let loads = (0..<placement.expertCount).map { _ in Int.random(in: 0...40, using: &random) }
      let load = LoadHistogram(layers: [0], rows: [loads])
      let certificate = try PlacementCertificate(placement, load: load, layerRow: 0)
      #expect(certificate.bound <= certificate.largestLoad + 1e-9)
      #expect((certificate.search == nil) == (placement.expertCount > 16))
      let split = try #require(certificate.split)
      #expect(certificate.gap >= 0 && split.gap >= 0)
      #expect(split.experts.reduce(0) { $0 + loads[$1] } == split.load)
      #expect(
        split.experts.allSatisfy { Set(instance.hosts(of: $0)).isSubset(of: split.ranks) })
      #expect(split.value <= certificate.largestLoad + 1e-9)
    }
  }
}
