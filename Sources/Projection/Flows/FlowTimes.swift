// SPDX-License-Identifier: Apache-2.0
// epsim: when flows end that share links.

public import CostModel

/// When each flow of a network ends, and what held up the last one.
///
/// A flow pays its latency first and shares links after that. Rates are max-min fair and change
/// when flows start and end.
public struct FlowTimes: Sendable {
  /// [flows] from the common start; zero for flows without bytes.
  public internal(set) var finish: [Seconds]
  /// The last.
  public internal(set) var total: Seconds = .zero
  /// The link that the last flow waits for as it ends; nil where none does: nothing flows, or
  /// only latency and the flow's own cap count.
  public internal(set) var limit: Int?
  /// Share of the time that the limit spends on its bytes, 0 to 1.
  public internal(set) var limitBusy: Double = 0
  /// The time that the busiest link needs for its bytes, whatever the sharing.
  public internal(set) var bound: Seconds
  /// How often rates were found, over all parts of the network.
  public internal(set) var fillings = 0

  /// Lets all flows start together and follows them to their ends.
  ///
  /// - Parameter resolution: Share of ``bound`` within which ends count as one event. Freed
  ///   capacity lies idle until its event, so a coarse resolution overestimates, and never goes
  ///   below the bound; the default only joins ends that differ by rounding.
  /// - Complexity: every event costs the routes of its part.
  /// - Precondition: the resolution is not negative.
  public init(of network: FlowNetwork, resolution: Double = 1e-12) {
    precondition(resolution >= 0, "a resolution of \(resolution)")
    let linkBytes = network.linkBytes
    bound = zip(linkBytes, network.links).map { $0 / $1.capacity }.max() ?? .zero
    finish = Array(repeating: .zero, count: network.flowCount)
    // Without end, every event is the last.
    let window = bound.value < .infinity ? resolution * bound.value : .infinity
    var run = FlowRun(of: network, window: window)
    for part in 0..<run.parts.count {
      let (end, lastLimit) = run.finish(part, &finish)
      // Of ends that differ by rounding the first says what was waited for.
      if end > total.value * (1 + 1e-9) { limit = lastLimit }
      total = max(total, Seconds(end))
    }
    fillings = run.fillings
    if let limit {
      limitBusy = min(1, linkBytes[limit] / network.links[limit].capacity / total)
    }
  }
}
