// SPDX-License-Identifier: Apache-2.0
// epsim: where a session learns what layers cost on its ranks.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MPI
internal import MoE
internal import Projection

/// The profile of the ranks of a session, known to rank 0 only.
struct SessionCluster {
  /// Where a profile comes from.
  enum Source {
    case none
    /// A name or the path of a file.
    case named(String)
    /// The ranks of the launch, on even loads.
    case measured(isQuick: Bool)
  }

  let source: Source
  /// For each placement that is searched.
  let secondLimit: Double
  /// Whether every case must be predictable, and the profile fit its ranks.
  let mustPredict: Bool

  static let none = SessionCluster(source: .none, secondLimit: 0, mustPredict: false)

  init(source: Source, secondLimit: Double, mustPredict: Bool) {
    self.source = source
    self.secondLimit = secondLimit
    self.mustPredict = mustPredict
  }

  /// Of the options of `run` and `compare`.
  ///
  /// - Throws: ``InputError`` for options that have no effect.
  init(_ options: ClusterOptions, cases: [CaseSpec]) throws {
    try options.checkSeconds(for: cases)
    self.init(
      source: options.cluster.map { .named($0) } ?? .none,
      secondLimit: options.maxSeconds ?? Self.usualSeconds, mustPredict: false)
  }

  static let usualSeconds = 10.0

  /// The profile, on rank 0; nil on the others, and where there is none. Collective.
  func profile(
    model: ModelShape, first spec: CaseSpec, measuresExperts: Bool, elementType: ElementType,
    seed: UInt64, machine: Machine, context: KernelContext, on comm: borrowing Communicator
  ) throws -> ClusterProfile? {
    switch source {
    case .none: return nil
    case .named(let name):
      return try comm.agree(classify: Launch.exitCode) {
        try comm.rank == 0 ? ClusterLibrary.open(name) : nil
      }
    case .measured(let isQuick):
      var grid = ClusterGrid(
        model: model, topology: machine.topology, elementType: elementType,
        scheme: ExchangeScheme(transport: spec.transport, wire: WireFormat(elementType)),
        seed: seed)
      grid.measuresExperts = measuresExperts
      if isQuick { grid.makeQuick() }
      return try ProfileMeasurement(
        grid: grid, machine: machine, context: context, name: "here", lineRate: nil
      ).fit(on: comm)?.profile
    }
  }
}

extension ClusterProfile {
  /// Refuses a profile that cannot stand for these ranks.
  ///
  /// - Throws: ``InputError`` for more ranks on a node than the profile has, for nodes without links
  ///   between them, and for a precision that it has no peak for.
  func requireFit(_ ranks: Topology, _ precision: Precision) throws {
    let largest = (0..<ranks.nodeCount).map { node in
      ranks.nodeOfRank.count { $0 == node }
    }.max()!
    _ = try topology(ranks: largest * ranks.nodeCount, nodes: ranks.nodeCount)
    _ = try self.ranks(on: ranks, precision)
  }
}
