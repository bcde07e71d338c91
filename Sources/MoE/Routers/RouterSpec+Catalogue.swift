// SPDX-License-Identifier: Apache-2.0
// epsim: the live routers that can be asked for by name.

extension RouterSpec {
  /// A router that can be asked for as `router:NAME`.
  public struct Entry: Sendable {
    /// A number that the router takes.
    public struct Parameter: Sendable {
      /// What help texts call it.
      public let name: String
      /// Accepted values.
      public let range: ClosedRange<Double>
      /// The value unless one is given.
      public let standard: Double
    }

    /// NAME.
    public let name: String
    /// Its number; nil where it takes none.
    public let parameter: Parameter?
    /// What it does, in one line without a trailing period.
    public let summary: String
    /// The router for a value of the parameter; the value does not matter where there is none.
    let kind: @Sendable (Double) -> Kind
  }

  /// Every named router, in the order of help texts.
  public static let catalogue: [Entry] = [
    Entry(
      name: "softmax", parameter: nil,
      summary: "the model's rule with softmax scores over all experts",
      kind: { _ in .score(.softmax, .all) }),
    Entry(
      name: "sigmoid", parameter: nil,
      summary: "the model's rule with sigmoid scores",
      kind: { _ in .score(.sigmoid, .all) }),
    Entry(
      name: "sqrt-softplus", parameter: nil,
      summary: "the model's rule with sqrt(softplus) scores",
      kind: { _ in .score(.sqrtSoftplus, .all) }),
    Entry(
      name: "chosen-softmax", parameter: nil,
      summary: "the model's rule with softmax over the K chosen logits",
      kind: { _ in .score(.softmax, .chosen) }),
    Entry(
      name: "switch", parameter: nil,
      summary: "one expert per token, weighed by its softmax probability",
      kind: { _ in .switchTop1 }),
    Entry(
      name: "noisy",
      parameter: .init(
        name: "STD", range: 0...1000, standard: GaussianNoise.defaultDeviation),
      summary: "the model's rule on logits with normal noise of standard deviation STD",
      kind: { .noisy(standardDeviation: $0) }),
    Entry(
      name: "jitter",
      parameter: .init(name: "EPS", range: 0...1, standard: UniformJitter.defaultEpsilon),
      summary: "the model's rule on logits times uniform(1 - EPS, 1 + EPS)",
      kind: { .jitter(epsilon: $0) }),
    Entry(
      name: "expert-choice",
      parameter: .init(
        name: "FACTOR", range: 0.001...1000, standard: ExpertChoiceRouter.defaultFactor),
      summary: "each expert takes its ceil(T K FACTOR / E) best tokens of the rank's batch",
      kind: { .expertChoice(factor: $0) }),
    Entry(
      name: "sinkhorn", parameter: nil,
      summary: "top-k of the scores after balancing them over the rank's batch",
      kind: { _ in .sinkhorn }),
    Entry(
      name: "hash", parameter: nil,
      summary: "K experts by a hash of the token, weights 1/K",
      kind: { _ in .hash }),
    Entry(
      name: "balanced", parameter: nil,
      summary: "every expert and rank loaded alike, whatever the logits, weights 1/K",
      kind: { _ in .balanced }),
  ]
}
