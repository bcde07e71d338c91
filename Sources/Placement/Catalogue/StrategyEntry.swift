// SPDX-License-Identifier: Apache-2.0
// epsim: what is known about a strategy: its name, its parameters, what it looks at.

public import Workloads

/// A strategy of the catalogue.
public struct StrategyEntry: Sendable {
  /// What a strategy looks at besides the ranks.
  public enum Fitting: Int, Sendable, Comparable {
    /// Nothing.
    case none
    /// How often each expert is chosen.
    case load
    /// Which tokens choose which experts.
    case tokens

    public static func < (left: Fitting, right: Fitting) -> Bool {
      left.rawValue < right.rawValue
    }
  }

  /// What it is called.
  public let name: String
  /// What it does, in one line.
  public let meaning: String
  /// What it is fitted to.
  public let fitting: Fitting
  /// Whether it makes replicas: whether `+EXTRA` may follow its name.
  public let makesReplicas: Bool
  /// Whether the number of slots follows from its parameters or from the placement of the moment.
  public let choosesSlots: Bool
  /// Whether it gives faster ranks more.
  public let usesSpeeds: Bool
  /// Whether it starts from the placement of the moment.
  public let needsCurrent: Bool
  /// Whether it judges by the time of a layer on a cluster.
  public let needsPrices: Bool
  /// Whether it looks at which rank sends, so that no other rank may take what it gives to one.
  public let seesSources: Bool
  /// Its parameters; the first may be written without its name.
  public let parameters: [SpecParameter]
  let make: @Sendable (SpecValues) -> any PlacementStrategy

  init(
    _ name: String, _ meaning: String, fitting: Fitting, makesReplicas: Bool = false,
    choosesSlots: Bool = false, usesSpeeds: Bool = false, needsCurrent: Bool = false,
    needsPrices: Bool = false, seesSources: Bool = false, _ parameters: SpecParameter...,
    make: @escaping @Sendable (SpecValues) -> any PlacementStrategy
  ) {
    self.name = name
    self.meaning = meaning
    self.fitting = fitting
    self.makesReplicas = makesReplicas
    self.choosesSlots = choosesSlots
    self.usesSpeeds = usesSpeeds
    self.needsCurrent = needsCurrent
    self.needsPrices = needsPrices
    self.seesSources = seesSources
    self.parameters = parameters
    self.make = make
  }

  /// How it is written: `eplb[+EXTRA][:POLICY]`.
  public var usage: String {
    name + (makesReplicas ? "[+EXTRA]" : "") + SpecParameter.usage(parameters)
  }
}
