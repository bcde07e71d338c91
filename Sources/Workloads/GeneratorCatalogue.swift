// SPDX-License-Identifier: Apache-2.0
// epsim: all generators, with their parameters.

internal import MoE

extension WorkloadSpec {
  /// Every generator; the one list for parsing, errors, help and documentation.
  public static let catalogue: [GeneratorEntry] = basic + structured + benchmark

  private static let basic: [GeneratorEntry] = [
    GeneratorEntry("uniform", "every set of K experts is equally likely") { _, shape in
      UniformWorkload(expertCount: shape.expertCount, topK: shape.topK, seed: shape.seed)
    },
    GeneratorEntry(
      "zipf", "the i-th most popular expert of a layer has popularity 1 / i^exponent",
      .real("exponent", 1, 0...10, "0 is uniform")
    ) { spec, shape in
      ZipfWorkload(
        exponent: spec["exponent"], expertCount: shape.expertCount, topK: shape.topK,
        layerCount: shape.layerCount, seed: shape.seed)
    },
    GeneratorEntry(
      "lognormal", "an expert's popularity in a layer is exp(sigma z), z standard normal",
      .real("sigma", 0.5, 0...10, "0 is uniform")
    ) { spec, shape in
      LognormalWorkload(
        sigma: spec["sigma"], expertCount: shape.expertCount, topK: shape.topK,
        layerCount: shape.layerCount, seed: shape.seed)
    },
    GeneratorEntry(
      "load", "experts as often as in a load file (.csv: a line per layer, a column per expert)",
      takesFile: true
    ) { spec, shape in
      guard let load = shape.load else { preconditionFailure("no load for \(spec)") }
      return try LoadWorkload(
        load: load, topK: shape.topK, seed: shape.seed, name: spec.description)
    },
  ]

  private static let structured: [GeneratorEntry] = [
    GeneratorEntry(
      "domains", "runs of tokens belong to domains that like different experts",
      .whole("count", 4, 1...4096, "domains"),
      .real("alpha", 0.3, 0.001...1000, "Dirichlet parameter: small means few experts per domain"),
      .whole("drift", 0, 0...1_000_000_000, "steps for the mixture to go around; 0: it stays"),
      .whole("run", 64, 1...1_000_000_000, "consecutive tokens of one domain")
    ) { spec, shape in
      try DomainsWorkload(
        DomainsWorkload.Law(
          domainCount: spec[whole: "count"], alpha: spec["alpha"],
          driftPeriod: spec[whole: "drift"], runLength: spec[whole: "run"]),
        expertCount: shape.expertCount, topK: shape.topK, layerCount: shape.layerCount,
        seed: shape.seed, name: spec.description)
    },
    GeneratorEntry(
      "coactive", "experts of a cluster are chosen together, all equally often",
      .whole("clusters", 8, 1...65536, "clusters per layer"),
      .real("inside", 0.8, 0...1, "probability that a choice stays in the token's cluster")
    ) { spec, shape in
      CoactiveWorkload(
        clusterCount: spec[whole: "clusters"], inside: spec["inside"],
        expertCount: shape.expertCount, topK: shape.topK, layerCount: shape.layerCount,
        seed: shape.seed, name: spec.description)
    },
    GeneratorEntry(
      "affinity", "the first choice of a layer foretells that of the next",
      .real("strength", 0.8, 0...1, "probability that the next layer follows"),
      .whole("branches", 1, 1...65536, "experts that a first choice leads to")
    ) { spec, shape in
      AffinityWorkload(
        strength: spec["strength"], branchCount: spec[whole: "branches"],
        expertCount: shape.expertCount, topK: shape.topK, layerCount: shape.layerCount,
        seed: shape.seed, name: spec.description)
    },
  ]

  private static let benchmark: [GeneratorEntry] = [
    GeneratorEntry(
      "balanced", alias: "w0", "every expert and every rank gets the same",
      .whole("ranks", 0, 0...65536, "ranks to balance for where they do not divide E; 0: any")
    ) { spec, shape in
      let most = BalancedChoice.maximumTokenCount(
        expertCount: shape.expertCount, topK: shape.topK)
      guard (1...most).contains(shape.tokensPerStep) else {
        throw InputError(
          "workload \(spec): \(shape.tokensPerStep) tokens per step cannot be balanced, accepted "
            + "are 1 to \(most)")
      }
      return BalancedWorkload(
        expertCount: shape.expertCount, topK: shape.topK, tokensPerStep: shape.tokensPerStep,
        rankCount: spec[whole: "ranks"] == 0 ? nil : spec[whole: "ranks"], seed: shape.seed,
        name: spec.description)
    },
    hot("hot-experts", "w1", "E / ranks experts at random places are hot") { _ in .experts },
    hot("hot-rank", "w2", "the experts of the first rank are hot") { _ in .rank },
    hot("hot-spread", "w3", "as many experts at even distances are hot") { _ in .spread },
    GeneratorEntry(
      "ragged", alias: "w4", "uniform, for ranks with unequal tokens: --assignment ragged"
    ) { spec, shape in
      UniformWorkload(
        expertCount: shape.expertCount, topK: shape.topK, seed: shape.seed, name: spec.description)
    },
    GeneratorEntry(
      "idle", alias: "w5", "the first experts, and so the first ranks, are never chosen",
      .real("share", 0.5, 0...1, "share of the experts that are idle; K stay in use")
    ) { spec, shape in
      IdleWorkload(
        share: spec["share"], expertCount: shape.expertCount, topK: shape.topK, seed: shape.seed,
        name: spec.description)
    },
    hot(
      "rotating", "w6", "the experts of one rank are hot, then those of the next",
      .whole("every", 3, 1...1_000_000_000, "steps that a rank stays hot")
    ) { .rotating(every: $0[whole: "every"]) },
    hot(
      "burst", "w7", "uniform, and the experts of the first rank are hot in some steps",
      .whole("every", 4, 1...1_000_000_000, "steps of which the last is hot")
    ) { .burst(every: $0[whole: "every"]) },
  ]

  private static func hot(
    _ name: String, _ alias: String, _ meaning: String, _ more: SpecParameter...,
    pattern: @escaping @Sendable (GeneratorSpec) -> HotSetWorkload.Pattern
  ) -> GeneratorEntry {
    let parameters: [SpecParameter] = [
      .real("heat", 0.75, 0...1, "share of the tokens that choose hot experts"),
      .whole("ranks", 8, 1...65536, "ranks that the hot rank is one of"),
    ]
    return GeneratorEntry(name, alias: alias, meaning, parameters: parameters + more) {
      spec, shape in
      HotSetWorkload(
        pattern(spec), heat: spec["heat"], rankCount: spec[whole: "ranks"],
        expertCount: shape.expertCount, topK: shape.topK, layerCount: shape.layerCount,
        seed: shape.seed, name: spec.description)
    }
  }
}
