// SPDX-License-Identifier: Apache-2.0
// epsim: routing of a mixture of domains that drifts with time.

public import MoE

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif

/// Tokens belong to one of N domains, and each domain likes other experts.
///
/// In every layer the expert popularity of a domain is a draw from the symmetric Dirichlet law with
/// parameter alpha: small alpha, few experts. K distinct experts are drawn one after another as by
/// ``ZipfWorkload``. Consecutive positions form runs of one sequence each, and a run has one domain
/// in all layers: domain d with probability (1 + cos(2 pi (step / P - d / N))) / N in a mixture
/// that drifts around the domains within P steps, and 1 / N in one that does not.
///
/// Choices and weights are a pure function of (seed, step, layer, position); weights are those of
/// ``UniformWorkload``.
public struct DomainsWorkload: RoutingSource {
  /// The law of the domains.
  public struct Law: Sendable, Equatable {
    /// N, the domains.
    public var domainCount: Int
    /// The parameter of the Dirichlet law, from 0.001 to 1000.
    public var alpha: Double
    /// P, the steps in which the mixture goes once around; 0 for a mixture that stays.
    public var driftPeriod: Int
    /// Tokens of a run.
    public var runLength: Int

    public init(domainCount: Int, alpha: Double, driftPeriod: Int, runLength: Int) {
      self.domainCount = domainCount
      self.alpha = alpha
      self.driftPeriod = driftPeriod
      self.runLength = runLength
    }
  }

  public let name: String
  public let expertCount: Int
  public let topK: Int
  /// The law of the domains.
  public let law: Law

  private let layerCount: Int
  private let keys: RoutingKeys
  private let domainKeys: CounterRandom
  /// A row per layer and domain.
  private let popularity: PopularityTable

  /// - Parameter layerCount: layers `0 ..< layerCount` can be routed.
  /// - Throws: ``InputError`` where the popularities would need too much memory.
  /// - Precondition: 1 <= K <= E; at least one domain and one token per run; no negative period.
  public init(
    _ law: Law, expertCount: Int, topK: Int, layerCount: Int, seed: UInt64, name: String = "domains"
  ) throws {
    precondition(topK >= 1 && topK <= expertCount, "top-k \(topK) of \(expertCount) experts")
    precondition(
      law.domainCount >= 1 && law.runLength >= 1 && law.driftPeriod >= 0
        && (0.001...1000).contains(law.alpha), "\(law)")
    let most = PopularityTable.maximumCount / max(1, layerCount * expertCount)
    guard law.domainCount <= most else {
      throw InputError(
        "workload domains: \(law.domainCount) domains in \(layerCount) layers of \(expertCount) "
          + "experts need too much memory, accepted are at most \(most)")
    }
    self.name = name
    self.expertCount = expertCount
    self.topK = topK
    self.law = law
    self.layerCount = layerCount
    keys = RoutingKeys(seed: seed)
    domainKeys = CounterRandom(seed: seed, 0x201A)
    popularity = PopularityTable(
      popularity: Self.popularity(
        law, expertCount: expertCount, layerCount: layerCount, seed: seed),
      expertCount: expertCount)
  }

  /// [layers, N, E] the popularities, the largest of a domain being 1.
  public static func popularity(_ law: Law, expertCount: Int, layerCount: Int, seed: UInt64)
    -> [Double]
  {
    let key = CounterRandom(seed: seed, 0x201B).key
    return (0..<layerCount * law.domainCount).flatMap { row in
      var random = RandomDraws(key: key, number: row)
      // Gamma numbers divided by their sum have the Dirichlet law.
      let logs = (0..<expertCount).map { _ in random.logGamma(shape: law.alpha) }
      let largest = logs.max() ?? 0
      return logs.map { exp($0 - largest) }
    }
  }

  /// [N] probability of each domain in a step.
  public func mixture(step: Int) -> [Double] {
    (0..<law.domainCount).map { probability(ofDomain: $0, step: step) }
  }

  @inline(__always)
  private func probability(ofDomain domain: Int, step: Int) -> Double {
    let count = Double(law.domainCount)
    guard law.driftPeriod > 0, law.domainCount > 1 else { return 1 / count }
    let turn = Double(step % law.driftPeriod) / Double(law.driftPeriod)
    return (1 + cos(2 * .pi * (turn - Double(domain) / count))) / count
  }

  /// The domain of a position, the same in every layer.
  public func domain(step: Int, position: Int) -> Int {
    let run = position / law.runLength
    let key = domainKeys.bits(at: UInt64(step))
    var random = RandomDraws(key: key, number: run)
    var share = random.unit()
    for domain in 0..<law.domainCount - 1 {
      share -= probability(ofDomain: domain, step: step)
      if share < 0 { return domain }
    }
    return law.domainCount - 1
  }

  public func hasLayer(_ layer: Int) -> Bool { (0..<layerCount).contains(layer) }

  public func route(
    layer: Int, step: Int, positions: Span<Int32>, into decision: inout RoutingDecision
  ) {
    requireFit(decision, count: positions.count, layer: layer)
    let key = keys.key(step: step, layer: layer)
    // Positions of a run mostly follow each other: its domain is drawn once.
    var (run, domain) = (-1, 0)
    forEachRow(positions, key: key, into: &decision) { position, chosen, random in
      if position / law.runLength != run {
        run = position / law.runLength
        domain = self.domain(step: step, position: position)
      }
      popularity.draw(row: layer * law.domainCount + domain, into: chosen, &random)
    }
  }
}
