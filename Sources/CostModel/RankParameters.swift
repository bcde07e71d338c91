// SPDX-License-Identifier: Apache-2.0
// epsim: what a rank can compute and copy.

/// One rank's processor: an accelerator, or cores of a CPU.
public struct RankParameters: Sendable, Hashable {
  /// Rate of expert products at a number of rows per expert.
  public struct Efficiency: Sendable, Hashable {
    public var rows: Double
    public var rate: FlopsPerSecond

    public init(rows: Double, rate: FlopsPerSecond) {
      self.rows = rows
      self.rate = rate
    }
  }

  /// Rates by rows per expert, ascending; between two interpolated in the logarithms of rows and
  /// rate, so that more rows take more time wherever they do at the points; beyond them the nearest.
  public var efficiencies: [Efficiency]
  /// Reading weights and activations.
  public var memory: BytesPerSecond
  /// Room for weights and activations.
  public var memorySize: Bytes
  /// Each expert phase.
  public var fixed: Seconds
  /// Each active expert.
  public var perExpert: Seconds
  /// Rows that are gathered, scattered or summed: bytes read and written.
  public var copies: BytesPerSecond
  /// Planning, each assignment.
  public var perAssignment: Seconds
  /// What is left of a rank's speed against the fastest; 1 for all alike, 0.5 takes twice as long.
  public var speed: Double

  public init(
    efficiencies: [Efficiency], memory: BytesPerSecond, memorySize: Bytes = .infinity,
    fixed: Seconds = .zero, perExpert: Seconds = .zero, copies: BytesPerSecond = .infinity,
    perAssignment: Seconds = .zero, speed: Double = 1
  ) {
    self.efficiencies = efficiencies
    self.memory = memory
    self.memorySize = memorySize
    self.fixed = fixed
    self.perExpert = perExpert
    self.copies = copies
    self.perAssignment = perAssignment
    self.speed = speed
  }
}
