// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the closed forms of an all-to-all, and of a published bound.

import CostModel
import MoE
import Testing

@Suite struct AllToAllModelTests {
  /// Nodes {0, 1} and {2, 3}.
  private let topology = Topology(ranks: 4, nodes: 2)
  private let traffic = TrafficMatrix(
    rankCount: 4, counts: [0, 4, 2, 2, 4, 0, 0, 8, 2, 2, 0, 4, 6, 0, 4, 0])
  private let network = NetworkParameters(
    inside: LinkParameters(latency: Seconds(1), bandwidth: BytesPerSecond(4)),
    between: LinkParameters(latency: Seconds(5), bandwidth: BytesPerSecond(1)))

  private func time(_ model: AllToAllModel) -> Seconds {
    model.time(of: traffic, bytesPerCopy: Bytes(1), topology: topology, network: network)
  }

  @Test func modelsAgreeWithTheirSumsOnPaper() {
    // At most 1 partner inside and 2 outside: 1 + 10; rank 3 gets 10 from the other node: 10.
    #expect(time(.hierarchical) == Seconds(21))
    // Steps of 11 (3 to 0), 13 (1 to 3) and 7 (0 to 3).
    #expect(time(.pairwise) == Seconds(31))
    // Ranks send for 16, 15, 16 and 13.
    #expect(time(.linear) == Seconds(16))
    // They receive for 20, 9, 9 and 22.
    #expect(time(.linearReceiving) == Seconds(22))
  }

  @Test func oneRankExchangesNothing() {
    for model in AllToAllModel.allCases {
      let time = model.time(
        of: TrafficMatrix(rankCount: 1, counts: [7]), bytesPerCopy: Bytes(1),
        topology: Topology(ranks: 1), network: network)
      #expect(time == .zero)
    }
  }

  /// DeepSeek's bound of decoding over 400 Gbit/s NICs: 32 tokens and 9 experts a rank, rows of 7000
  /// values, 1 byte there and 2 bytes back at 50 GB/s; two micro-batches through 61 layers.
  /// Source: DeepSeek-AI, Insights into DeepSeek-V3, arXiv:2505.09343.
  @Test func thePublishedBoundOfDecodingFollows() {
    let topology = Topology(ranks: 10, nodes: 10)
    var counts = Array(repeating: 32, count: 100)
    for rank in 0..<10 { counts[rank * 11] = 0 }
    let loads = PortLoads(
      TrafficMatrix(rankCount: 10, counts: counts), topology: topology,
      bytesPerCopy: Bytes(7000))
    let network = bareNetwork(between: 50e9)
    var work = LayerWork(rankCount: 10)
    work.dispatch = network.time(of: loads, topology: topology)
    work.combine = network.time(
      of: loads.reversed(bytesPerCopy: Bytes(14000)), topology: topology)
    let pair = work.dispatch.total + work.combine.total
    #expect(isClose(pair.microseconds, 120.96))
    #expect(work.dispatch.binding == .portEgress(node: 0, port: nil))
    var recursion = LayerRecursion(rankCount: 10)
    recursion.begin()
    for _ in 0..<61 * 2 { recursion.advance(work) }
    #expect(isClose(recursion.time.microseconds, 14_757.12))
  }
}
