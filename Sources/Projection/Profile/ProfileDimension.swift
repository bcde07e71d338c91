// SPDX-License-Identifier: Apache-2.0
// epsim: what the numbers of a cluster profile are numbers of, and their units.

/// What a number of a cluster profile is a number of.
public enum ProfileDimension: String, Sendable, CaseIterable {
  case time, size, bandwidth, rate, share, speed, ranks, nodes, rows, ratio

  /// A unit, and how many of the base unit it is: s, B, B/s, FLOP/s, or 1.
  struct Unit: Sendable {
    let name: String
    let factor: Double
  }

  /// Ascending; a name of its own for one (`1 rank`) stands behind the usual one.
  var units: [Unit] {
    switch self {
    case .time: [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1)].map(Unit.init)
    case .size: Self.decimal.map { Unit(name: $0 + "B", factor: $1) } + Self.binary
    case .bandwidth:
      Self.decimal.map { Unit(name: $0 + "B/s", factor: $1) }
        + Self.binary.map { Unit(name: $0.name + "/s", factor: $0.factor) }
        + Self.decimal.map { Unit(name: $0 + "bit/s", factor: $1 / 8) }
    case .rate: (Self.decimal + [("P", 1e15)]).map { Unit(name: $0 + "FLOP/s", factor: $1) }
    case .share, .speed: [Unit(name: "%", factor: 0.01)]
    case .ranks: [Unit(name: "ranks", factor: 1), Unit(name: "rank", factor: 1)]
    case .nodes: [Unit(name: "nodes", factor: 1), Unit(name: "node", factor: 1)]
    case .rows: [Unit(name: "rows", factor: 1), Unit(name: "row", factor: 1)]
    case .ratio: [Unit(name: ":1", factor: 1)]
    }
  }

  private static let decimal = [("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)]
  private static let binary = ["KiB", "MiB", "GiB", "TiB"].enumerated().map {
    Unit(name: $1, factor: Double(1 << (10 * ($0 + 1))))
  }

  /// The values that a profile may state, in the base unit.
  ///
  /// The upper ends are far above any machine: they keep every sum and product finite.
  var range: ClosedRange<Double> {
    switch self {
    case .time: 0...1e3
    case .size: 1...1e18
    case .bandwidth: 1...1e18
    case .rate: 1...1e24
    case .share: 1e-6...1
    case .speed: 1e-3...1
    case .ranks, .nodes: 1...1_048_576
    case .rows: 1e-3...1e9
    case .ratio: 1e-3...1e6
    }
  }

  /// Whether only whole numbers are accepted.
  var isCount: Bool { self == .ranks || self == .nodes }

  /// What is accepted, for an error sentence.
  var accepted: String {
    switch self {
    case .time: "a time with its unit, 0 s to 1000 s, such as 5 us"
    case .size: "a size with its unit, 1 B and more, such as 80 GiB"
    case .bandwidth: "a bandwidth with its unit, 1 B/s and more, such as 450 GB/s or 400 Gbit/s"
    case .rate: "a rate with its unit, 1 FLOP/s and more, such as 989 TFLOP/s"
    case .share: "a share above 0 % and up to 100 %, such as 80 %"
    case .speed: "a speed of 0.1 % to 100 %, such as 80 %"
    case .ranks: "a whole number of ranks, 1 and more, such as 8 ranks"
    case .nodes: "a whole number of nodes, 1 and more, such as 4 nodes"
    case .rows: "a number of rows above 0, such as 128 rows"
    case .ratio: "a ratio above 0 to 1, such as 2:1"
    }
  }
}
