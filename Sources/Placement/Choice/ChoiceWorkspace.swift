// SPDX-License-Identifier: Apache-2.0
// epsim: the memory that choosing copies works in.

/// Scratch of ``ReplicaTable/choose(_:into:_:)``, allocated once for all tables of these sizes.
public final class ChoiceWorkspace {
  /// [P] what each slot serves of the source's assignments, for rules that need counts: input of a
  /// choice, and what is left of it afterwards.
  public let shares: UnsafeMutableBufferPointer<Int32>
  /// [E] uses of each expert so far, or the copy that comes next.
  let uses: UnsafeMutableBufferPointer<Int32>
  /// [R] experts of a token that each rank could serve; zero between choices.
  let covered: UnsafeMutableBufferPointer<Int32>
  /// [N] the last token that went to each node, counted from 1.
  let lastToken: UnsafeMutableBufferPointer<Int32>

  /// - Precondition: no size is negative.
  public init(placement: ExpertPlacement, nodeCount: Int) {
    func zeroed(_ count: Int) -> UnsafeMutableBufferPointer<Int32> {
      let buffer = UnsafeMutableBufferPointer<Int32>.allocate(capacity: count)
      buffer.initialize(repeating: 0)
      return buffer
    }
    shares = zeroed(placement.slotCount)
    uses = zeroed(placement.expertCount)
    covered = zeroed(placement.rankCount)
    lastToken = zeroed(nodeCount)
  }

  deinit {
    for buffer in [shares, uses, covered, lastToken] { buffer.deallocate() }
  }
}
