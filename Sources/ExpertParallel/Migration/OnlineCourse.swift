// SPDX-License-Identifier: Apache-2.0
// epsim: what happened in a run whose experts move while steps go on.

/// The measured steps of one policy, in order.
public struct OnlineCourse: Sendable {
  /// Why experts moved before a step.
  public enum Cause: String, Sendable {
    /// The policy asked for it.
    case policy
    /// A rank's experts were gone.
    case loss
    /// The rank that had lost its experts got some again.
    case restore
  }

  /// A move before a step.
  public struct Move: Sendable {
    public let cause: Cause
    public let migration: MigrationResult
    /// Experts that the lost rank held, over all layers; 0 but for a loss.
    public let lostExperts: Int
  }

  /// One step.
  public struct Step: Sendable {
    /// From the latest start to the latest end of the ranks, microseconds.
    public let timeUs: Double
    /// Sum over layers of the largest rank load / sum of the mean.
    public let maxOverMean: Double
    /// What moved before it.
    public let move: Move?
  }

  public let steps: [Step]
  /// Times that a new placement was asked for and refused, since it gained too little.
  public let refusedCount: Int
  /// Sum mod 2^64 of the digests of all measured steps.
  public let digest: UInt64
}
