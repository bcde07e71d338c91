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
      /// The value unless one is given; nil where the model decides.
      public let standard: Double?
    }

    /// NAME.
    public let name: String
    /// Its number; nil where it takes none.
    public let parameter: Parameter?
    /// The router for a value of the parameter; the value does not matter where there is none.
    let kind: @Sendable (Double) -> Kind
  }

  /// Every named router, in the order of help texts.
  public static let catalogue: [Entry] = [
    Entry(
      name: "softmax", parameter: nil,
      kind: { _ in .score(.softmax, .all) }),
    Entry(
      name: "sigmoid", parameter: nil,
      kind: { _ in .score(.sigmoid, .all) }),
    Entry(
      name: "sqrt-softplus", parameter: nil,
      kind: { _ in .score(.sqrtSoftplus, .all) }),
    Entry(
      name: "chosen-softmax", parameter: nil,
      kind: { _ in .score(.softmax, .chosen) }),
    Entry(
      name: "switch", parameter: nil,
      kind: { _ in .switchTop1 }),
    Entry(
      name: "noisy",
      parameter: .init(
        name: "STD", range: 0...1000, standard: GaussianNoise.defaultDeviation),
      kind: { .noisy(standardDeviation: $0) }),
    Entry(
      name: "jitter",
      parameter: .init(name: "EPS", range: 0...1, standard: UniformJitter.defaultEpsilon),
      kind: { .jitter(epsilon: $0) }),
    Entry(
      name: "expert-choice",
      parameter: .init(
        name: "FACTOR", range: 0.001...1000, standard: ExpertChoiceRouter.defaultFactor),
      kind: { .expertChoice(factor: $0) }),
    Entry(
      name: "sinkhorn", parameter: nil,
      kind: { _ in .sinkhorn }),
    Entry(
      name: "hash", parameter: nil,
      kind: { _ in .hash }),
    Entry(
      name: "grouped",
      parameter: .init(name: "GROUPS", range: 1...1024, standard: nil),
      kind: { .grouped(groups: $0 == 0 ? nil : $0) }),
    Entry(
      name: "balanced", parameter: nil,
      kind: { _ in .balanced }),
  ]
}
