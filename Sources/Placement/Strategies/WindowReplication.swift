// SPDX-License-Identifier: Apache-2.0
// epsim: which experts get more than one slot when load comes in windows.

/// Gives extra slots, one after another, to the expert whose next replica lowers most the sum over
/// windows of the load of the heaviest replica.
///
/// Only the heaviest expert of a window can lower what is heaviest there. Equal gains by falling
/// load per replica, then by rising expert.
/// Source: github.com/sgl-project/sglang, `make_redundant_experts_chunkwise` of `deepseek_vec`.
public struct WindowReplication: Sendable, Equatable {
  /// [P] logical expert of each replica: 0 ..< E, then the extra ones in the order of their choice.
  public let expertOfReplica: [Int32]
  /// [E] replicas of each expert.
  public let replicaCounts: [Int]

  /// Decides the replicas of one layer.
  ///
  /// - Parameters:
  ///   - windows: [windows][E] loads, at least one window.
  ///   - replicaCount: P, at least E.
  public init(windows: [[Int]], replicaCount: Int) {
    let experts = windows[0].count
    precondition(
      replicaCount >= experts && experts >= 1, "\(replicaCount) replicas of \(experts) experts")
    let totals = (0..<experts).map { expert in windows.reduce(0.0) { $0 + Double($1[expert]) } }
    var replicas = (0..<Int32(experts)).map { $0 }
    var counts = Array(repeating: 1, count: experts)
    var peaks = windows.map { Peak($0, counts: counts) }
    while replicas.count < replicaCount {
      var gains = Array(repeating: 0.0, count: experts)
      for (window, peak) in zip(windows, peaks) {
        let next = Double(window[peak.expert]) / Double(counts[peak.expert] + 1)
        gains[peak.expert] += peak.share - max(peak.second, next)
      }
      var best = 0
      for expert in 1..<max(1, experts) {
        let isBetter =
          gains[expert] > gains[best]
          || gains[expert] == gains[best]
            && totals[expert] / Double(counts[expert]) > totals[best] / Double(counts[best])
        if isBetter { best = expert }
      }
      replicas.append(Int32(best))
      counts[best] += 1
      for (index, window) in windows.enumerated() {
        let share = Double(window[best]) / Double(counts[best])
        peaks[index].lower(best, to: share, window, counts: counts)
      }
    }
    expertOfReplica = replicas
    replicaCounts = counts
  }
}

/// The two heaviest experts of a window, by load per replica.
private struct Peak {
  var expert = 0
  var share = -1.0
  var second = 0.0
  private var secondExpert = 0

  init(_ window: [Int], counts: [Int]) {
    for (expert, load) in window.enumerated() {
      let share = Double(load) / Double(counts[expert])
      if share > self.share {
        (secondExpert, second) = (self.expert, max(0, self.share))
        (self.expert, self.share) = (expert, share)
      } else if share > second {
        (secondExpert, second) = (expert, share)
      }
    }
  }

  /// Follows an expert whose share fell.
  mutating func lower(_ expert: Int, to share: Double, _ window: [Int], counts: [Int]) {
    guard expert == self.expert || expert == secondExpert else { return }
    self = Peak(window, counts: counts)
  }
}
