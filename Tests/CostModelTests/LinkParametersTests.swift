// SPDX-License-Identifier: Apache-2.0
// epsim: tests of measures and of what a port costs.

import CostModel
import Testing

@Suite struct LinkParametersTests {
  private let link = LinkParameters(segments: [
    .init(from: .zero, latency: .microseconds(2), bandwidth: .gigabytes(1)),
    .init(from: Bytes(1000), latency: .microseconds(5), bandwidth: .gigabytes(10)),
  ])

  @Test func timeFollowsTheSizeOfAMessage() {
    // Two messages of 500 B: 2 us and 0.5 us each; two of 1000 B: 5 us and 0.1 us each.
    #expect(abs(link.time(messages: 2, bytes: Bytes(1000)).microseconds - 5) < 1e-9)
    #expect(abs(link.time(messages: 2, bytes: Bytes(2000)).microseconds - 10.2) < 1e-9)
    #expect(link.time(messages: 0, bytes: .zero) == .zero)
  }

  @Test func nothingTakesNoTimeAndInfiniteRatesTakeNone() {
    #expect(Bytes.zero / BytesPerSecond.zero == .zero)
    #expect(Bytes(1) / BytesPerSecond.infinity == .zero)
    #expect(Bytes(1) / BytesPerSecond.zero == .infinity)
    #expect(Flops.zero / FlopsPerSecond.infinity == .zero)
  }
}
