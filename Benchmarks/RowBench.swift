// SPDX-License-Identifier: Apache-2.0
// epsim: pack, group, ungroup and reduce against memcpy.

import ExpertParallel
import Foundation
import Kernels
import MPI
import Reporting
import Timing

/// The row phases of real layers against the copy bandwidth of the machine.
///
/// Every buffer is larger than the last-level cache; the experts are narrow, so that the steps are
/// short. Bytes are those read and written once; a copy of n bytes counts 2 n.
struct RowBench {
  let type: ElementType
  private let hidden = 2048
  private let tokensPerRank = 16_384
  private let steps = 12
  private let bound = 0.60

  func run(_ context: KernelContext, on comm: borrowing Communicator) throws -> [BenchResult] {
    let configuration = try BenchModel(hidden: hidden, inner: 32, type: type, wire: type)
      .configuration(tokens: tokensPerRank * comm.size, ranks: comm.size, steps: steps)
    let copyBytes = tokensPerRank * hidden * 4
    let source = FloatBuffer(copyBytes / 4)
    let target = FloatBuffer(copyBytes / 4)
    let (timeline, copyTimes) = try InterleavedTimer.run(
      configuration,
      alternatingWith: {
        memcpy(target.values.baseAddress!, source.values.baseAddress!, copyBytes)
      },
      context: context, on: comm)
    let copyRate = 2 * Double(copyBytes) / Estimate(copyTimes).median
    return try [Phase.pack, .group, .ungroup, .reduce].map { phase in
      let own = timeline.map { slowestTime(of: phase, in: $0) } ?? 0
      let seconds = try comm.broadcast([own], root: 0)[0]
      let rate = Double(bytes(of: phase)) / seconds
      return BenchResult(
        name: "\(phase), \(type) rows, \(Quantity.bytes(Double(copyBytes))) and more",
        measured: Quantity.bytes(rate) + "/s", limit: Quantity.bytes(copyRate) + "/s",
        share: Quantity.percent(rate / copyRate), bound: "at least \(Quantity.percent(bound))",
        holds: rate >= bound * copyRate)
    }
  }

  /// Seconds of a phase on the slowest rank of each step, the median over steps.
  private func slowestTime(of phase: Phase, in timeline: CaseTimeline) -> Double {
    let times = (0..<timeline.stepCount).map { step in
      (0..<timeline.rankCount).map { timeline.time(of: phase, rank: $0, step: step) }.max()!
    }
    return Estimate(times).median / 1e6
  }

  /// Bytes that a phase reads and writes on one rank: tokens, two rows each, evenly dealt.
  private func bytes(of phase: Phase) -> Int {
    let rows = 2 * tokensPerRank
    let (float, element) = (4 * hidden, type.byteCount * hidden)
    return switch phase {
    case .pack: rows * (float + element)
    case .group: rows * (element + element)
    case .ungroup: rows * (float + float)
    // Two result rows and the residual in, the activations out.
    default: tokensPerRank * (2 * float + float + float)
    }
  }
}
