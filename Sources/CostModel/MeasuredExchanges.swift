// SPDX-License-Identifier: Apache-2.0
// epsim: measured times of every way to exchange rows, on one machine.

/// What `epsim calibrate --exchange` measured: the time of every engine on a grid of exchanges.
///
/// All engines are measured on the same exchanges, interleaved, so their times can be compared
/// point by point.
public struct MeasuredExchanges: Sendable, Equatable, Codable {
  /// The file format.
  public static let currentSchema = "epsim-exchange/1"

  /// What was measured on.
  public struct Machine: Sendable, Equatable, Codable {
    public var ranks: Int
    public var nodes: Int
    /// [N] ranks of each node.
    public var ranksPerNode: [Int]
    /// Cores of the smallest host.
    public var cores: Int
    /// Host names, each once.
    public var hosts: [String]
    public var mpi: String
    /// Version of epsim.
    public var epsim: String

    public init(
      ranks: Int, nodes: Int, ranksPerNode: [Int], cores: Int, hosts: [String], mpi: String,
      epsim: String
    ) {
      self.ranks = ranks
      self.nodes = nodes
      self.ranksPerNode = ranksPerNode
      self.cores = cores
      self.hosts = hosts
      self.mpi = mpi
      self.epsim = epsim
    }
  }

  /// A way to exchange rows.
  public struct Engine: Sendable, Hashable, Codable {
    public var dedup: Dedup
    public var transport: Transport

    public init(_ dedup: Dedup, _ transport: Transport) {
      self.dedup = dedup
      self.transport = transport
    }
  }

  /// What one engine took for one exchange, dispatch and combine together, microseconds.
  public struct Time: Sendable, Equatable, Codable {
    public var dedup: Dedup
    public var transport: Transport
    /// Everything of a layer but route, experts and shared experts: median over repetitions of the
    /// slowest rank's sum of phases.
    public var us: Double
    /// 95 % interval of ``us``; nil below eight repetitions.
    public var ci95: [Double]?
    /// Dispatch and combine alone, of ``us``.
    public var travelUs: Double

    public var engine: Engine { Engine(dedup, transport) }

    public init(_ engine: Engine, us: Double, ci95: [Double]? = nil, travelUs: Double? = nil) {
      dedup = engine.dedup
      transport = engine.transport
      self.us = us
      self.ci95 = ci95
      self.travelUs = travelUs ?? us
    }
  }

  /// One exchange that every engine was measured on.
  public struct Point: Sendable, Equatable, Codable {
    /// T on each rank; for display.
    public var tokensPerRank: Int
    public var shape: ExchangeShape
    public var times: [Time]

    public init(tokensPerRank: Int, shape: ExchangeShape, times: [Time]) {
      self.tokensPerRank = tokensPerRank
      self.shape = shape
      self.times = times
    }

    /// What an engine took; nil where it was not measured.
    public func time(of engine: Engine) -> Time? { times.first { $0.engine == engine } }
    /// The engine that took least.
    public var fastest: Time? { times.min { $0.us < $1.us } }
  }

  /// Exchanges of one class: the same workload and length of a row, ascending bytes per rank.
  public struct Series: Sendable, Equatable, Codable {
    public var workload: String
    public var topK: Int
    public var hidden: Int
    public var points: [Point]

    public init(workload: String, topK: Int, hidden: Int, points: [Point]) {
      self.workload = workload
      self.topK = topK
      self.hidden = hidden
      self.points = points
    }
  }

  public var schema = Self.currentSchema
  /// When it was measured, ISO 8601.
  public var created: String
  public var machine: Machine
  /// Measured repetitions of every point.
  public var steps: Int
  public var series: [Series]

  public init(created: String, machine: Machine, steps: Int, series: [Series]) {
    self.created = created
    self.machine = machine
    self.steps = steps
    self.series = series
  }

  /// The engines of every point, in the order in which they were measured.
  public var engines: [Engine] { series.first?.points.first?.times.map(\.engine) ?? [] }

  /// Why the table does not fit these ranks, in words; nil where it does.
  public func difference(to topology: Topology) -> String? {
    let nodes = (0..<topology.nodeCount).map { node in
      topology.nodeOfRank.count { $0 == node }
    }
    guard machine.ranksPerNode.sorted() != nodes.sorted() else { return nil }
    func words(_ perNode: [Int]) -> String {
      "\(perNode.map(String.init).joined(separator: "+")) ranks on \(perNode.count) "
        + (perNode.count == 1 ? "node" : "nodes")
    }
    return "it was measured on \(words(machine.ranksPerNode)), this run has \(words(nodes))"
  }
}
