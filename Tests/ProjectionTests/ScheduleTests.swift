// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the schedules of an all-to-all.

import CostModel
import MoE
import Projection
import Testing

@Suite struct ScheduleTests {
  /// Latency 1 and 4 B/s inside a node, 5 and 1 B/s between nodes.
  static let network = NetworkParameters(
    inside: LinkParameters(latency: Seconds(1), bandwidth: BytesPerSecond(4)),
    between: LinkParameters(latency: Seconds(5), bandwidth: BytesPerSecond(1)))
  static let quick = NetworkParameters(
    inside: LinkParameters(latency: .zero, bandwidth: BytesPerSecond(4)),
    between: LinkParameters(latency: .zero, bandwidth: BytesPerSecond(1)))
  static let traffic = TrafficMatrix(
    rankCount: 4, counts: [0, 4, 2, 2, 4, 0, 0, 8, 2, 2, 0, 4, 6, 0, 4, 0])

  static func schedule(
    _ algorithm: AllToAllSchedule.Algorithm, ranks: Int = 4, nodes: Int = 2,
    _ network: NetworkParameters = network
  ) -> AllToAllSchedule {
    AllToAllSchedule(algorithm, Topology(ranks: ranks, nodes: nodes), network)
  }

  static func random(_ ranks: Int, seed: UInt64) -> TrafficMatrix {
    let random = CounterRandom(seed: seed, 9)
    return TrafficMatrix(
      rankCount: ranks,
      counts: (0..<ranks * ranks).map { max(0, Int(random.unit(at: UInt64($0)) * 12) - 3) })
  }

  @Test func linearSendsOneAfterTheOther() {
    let times = Self.schedule(.linear).times(of: Self.traffic, bytesPerCopy: Bytes(1))
    // Rank 0: (1 + 4/4) + (5 + 2) + (5 + 2) = 16; rank 1 has nothing for rank 2: 2 + 13 = 15;
    // rank 2: 7 + 7 + 2; rank 3: 11 + 2.
    #expect(times.sent.map(\.value) == [16, 15, 16, 13])
    // Into rank 0: from 1 at 2, from 2 at 7, from 3 at max(11, 7 + 6) = 13, before its own 16.
    // Into rank 1: 2, 14. Into rank 2: from 0 at 9, from 3 at 13.
    // Into rank 3: 8 B at 15; from 0, 2 B, at max(16, 17) = 17; from 2, 4 B, at 18.
    #expect(times.finish.map(\.value) == [16, 15, 16, 18])
    #expect(times.total.value == 18)
    // Rank 3 receives 2 + 8 + 4 / 4 = 11 s of bytes.
    #expect(times.bound.value == 11)
  }

  @Test func emptyMessagesCostTheirLatencyWhereTheyAreSent() {
    var schedule = Self.schedule(.linear)
    schedule.skipsEmpty = false
    let times = schedule.times(of: Self.traffic, bytesPerCopy: Bytes(1))
    // Rank 1 to 2 and rank 3 to 1: 5 s more.
    #expect(times.sent.map(\.value) == [16, 20, 16, 18])
  }

  @Test func pairwiseIsNoLockStep() {
    let times = Self.schedule(.pairwise).times(of: Self.traffic, bytesPerCopy: Bytes(1))
    // Step 1: 0>1 2, 1>2 5, 2>3 2, 3>0 11. t = [11, 5, 5, 11] (rank 3 sends until 11).
    // Step 2: 0>2 7, 1>3 13, 2>0 7, 3>1 5.
    //   t_0 = max(11 + 7, 11 + 7) = 18; t_1 = max(max(5, 11) + 5, 5 + 13) = 18;
    //   t_2 = max(max(5, 11) + 7, 5 + 7) = 18; t_3 = max(max(11, 5) + 13, 11 + 5) = 24.
    // Step 3: 0>3 7, 1>0 2, 2>1 7, 3>2 2.
    //   t_0 = max(18 + 2, 18 + 7) = 25; t_1 = max(18 + 7, 18 + 2) = 25;
    //   t_2 = max(max(18, 24) + 2, 18 + 7) = 26; t_3 = max(24 + 7, 24 + 2) = 31.
    #expect(times.finish.map(\.value) == [25, 25, 26, 31])
    #expect(abs(times.loss - 31.0 / 11) < 1e-12)
  }

  @Test func aLateRankHoldsUpOthers() {
    for algorithm in AllToAllSchedule.Algorithm.allCases {
      let schedule = Self.schedule(algorithm)
      let entries = [Seconds.zero, .zero, Seconds(100), .zero]
      let times = schedule.times(of: Self.traffic, bytesPerCopy: Bytes(1), entries: entries)
      #expect(times.finish.allSatisfy { $0 > Seconds(100) || algorithm == .linear })
      #expect(times.finish[0] > Seconds(100))
      #expect(times.total.value < 32)
    }
  }

  @Test func rendezvousWaitsForTheReceiver() {
    // Two ranks: the sender may leave early only where nobody has to be there.
    var traffic = TrafficMatrix(rankCount: 2)
    traffic[0, 1] = 8
    var schedule = Self.schedule(.pairwise, ranks: 2, nodes: 1)
    let entries = [Seconds.zero, Seconds(50)]
    func sent() -> Double {
      schedule.times(of: traffic, bytesPerCopy: Bytes(1), entries: entries).sent[0].value
    }
    #expect(sent() == 3)
    schedule.rendezvous = Bytes(8)
    #expect(sent() == 53)
  }

  @Test func schedulesAreNeverFasterThanThePorts() {
    for seed in 0..<200 as Range<UInt64> {
      let ranks = 1 + Int(seed % 12)
      let nodes = 1 + Int(seed % UInt64(ranks))
      for algorithm in AllToAllSchedule.Algorithm.allCases {
        let times = Self.schedule(algorithm, ranks: ranks, nodes: nodes, Self.quick)
          .times(of: Self.random(ranks, seed: seed), bytesPerCopy: Bytes(3))
        #expect(times.total >= times.bound * (1 - 1e-12), "seed \(seed), \(algorithm)")
        #expect(times.loss >= 1 - 1e-12 && times.loss < .infinity)
      }
    }
  }

  @Test func pairwiseStaysBelowTheSumOfItsStepsMaxima() {
    for seed in 0..<100 as Range<UInt64> {
      let traffic = Self.random(7, seed: seed)
      let schedule = Self.schedule(.pairwise, ranks: 7, nodes: 3)
      let nodes = schedule.topology.nodeOfRank
      var lockStep = 0.0
      for step in 1..<7 {
        lockStep += (0..<7).map { rank in
          let partner = (rank + step) % 7
          let bytes = Double(traffic[rank, partner])
          return nodes[rank] == nodes[partner] ? 1 + bytes / 4 : 5 + bytes
        }.max()!
      }
      let times = schedule.times(of: traffic, bytesPerCopy: Bytes(1))
      #expect(times.total.value <= lockStep * (1 + 1e-12))
    }
  }

  @Test func uniformTrafficHasNoLoss() {
    let traffic = TrafficMatrix(rankCount: 8, counts: Array(repeating: 5, count: 64))
    let pairwise = Self.schedule(.pairwise, ranks: 8, nodes: 8, Self.quick)
      .times(of: traffic, bytesPerCopy: Bytes(2))
    #expect(abs(pairwise.loss - 1) < 1e-12)
    // All send to rank 0 first: it takes in one message after the other.
    let linear = Self.schedule(.linear, ranks: 8, nodes: 8, Self.quick)
      .times(of: traffic, bytesPerCopy: Bytes(2))
    #expect(linear.loss > 1 && linear.loss < 2)
  }

  @Test func sharedNICsAreDivided() {
    var network = Self.quick
    network.ranksPerPort = 2
    let shared = Self.schedule(.pairwise, network).times(of: Self.traffic, bytesPerCopy: Bytes(1))
    network.between = LinkParameters(latency: .zero, bandwidth: BytesPerSecond(0.5))
    network.ranksPerPort = 1
    let half = Self.schedule(.pairwise, network).times(of: Self.traffic, bytesPerCopy: Bytes(1))
    #expect(shared.finish == half.finish)
  }

  @Test func openMPIChoosesByTheNumberOfRanks() {
    let expected: [(Int, AllToAllSchedule.Algorithm)] = [
      (1, .pairwise), (3, .pairwise), (4, .linear), (63, .linear), (64, .pairwise),
      (127, .pairwise), (128, .linear), (255, .linear), (256, .pairwise), (1023, .pairwise),
      (1024, .linear), (4096, .linear),
    ]
    for (ranks, algorithm) in expected {
      #expect(AllToAllSchedule.Algorithm.openMPI(ranks: ranks) == algorithm)
    }
  }

  @Test func nothingToSendIsDefined() {
    for ranks in [1, 3] {
      for algorithm in AllToAllSchedule.Algorithm.allCases {
        let times = Self.schedule(algorithm, ranks: ranks, nodes: 1)
          .times(of: TrafficMatrix(rankCount: ranks), bytesPerCopy: Bytes(8))
        // Pairwise partners meet even without bytes: 1 s in each of two steps.
        let expected = algorithm == .pairwise ? Double(ranks - 1) : 0
        #expect(times.total.value == expected)
        #expect(times.loss == (expected > 0 ? .infinity : 1))
      }
    }
  }
}
