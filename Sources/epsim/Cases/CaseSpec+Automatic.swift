// SPDX-License-Identifier: Apache-2.0
// epsim: exchanges that are chosen by a table of measured times.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MoE

/// Options of the exchange that are written `auto`: their own value does not count.
struct AutomaticKnobs: Equatable {
  var dedup = false
  var transport = false
  var chunks = false

  /// The options as written; nil where none is.
  var text: String? {
    let options = [("dedup", dedup), ("transport", transport), ("chunks", chunks)]
    let words = options.filter(\.1).map { "--\($0.0) \(Self.word)" }
    return words.isEmpty ? nil : words.joined(separator: " ")
  }

  static let word = "auto"
  /// What `--chunks auto` chooses from.
  static let chunkCounts = [1, 2, 4]
}

extension CaseSpec {
  /// The schemes that the case may use, of these engines; those that cannot be are left out.
  private func schemes(
    of engines: [MeasuredExchanges.Engine], defaultWire wire: WireFormat
  ) -> [ExchangeScheme] {
    let chunkCounts = automatic.chunks ? AutomaticKnobs.chunkCounts : [chunks]
    return engines.filter {
      (automatic.dedup || $0.dedup == dedup) && (automatic.transport || $0.transport == transport)
    }.flatMap { engine in
      chunkCounts.map { count in
        var scheme = fixedExchange(defaultWire: wire)
        scheme.dedup = engine.dedup
        scheme.transport = engine.transport
        scheme.chunks = count
        return scheme
      }
    }.filter { $0.contradiction == nil && !$0.isTolerance }
  }

  /// Why the options that are written `auto` leave nothing to choose from; nil where they do not.
  var automaticContradiction: String? {
    guard let text = automatic.text else { return nil }
    guard combine == .exact else {
      return "--combine \(combine.rawValue) is in no exchange table, accepted with \(text) is "
        + "--combine exact"
    }
    let engines = Dedup.allCases.flatMap { dedup in
      Transport.allCases.map { MeasuredExchanges.Engine(dedup, $0) }
    }
    guard schemes(of: engines, defaultWire: .f32).isEmpty else { return nil }
    let fixed = fixedExchange(defaultWire: .f32)
    return fixed.contradiction
      ?? "--transport \(transport.rawValue) adds up in another order, so \(text) does not choose it"
  }

  /// How rows travel: as the options say, or as is chosen by a table.
  ///
  /// - Parameters:
  ///   - wire: the format to the experts where the case names none.
  ///   - table: nil where no option is written `auto`.
  /// - Throws: ``InputError`` where the table has none of the engines.
  func exchange(
    defaultWire wire: WireFormat, table: MeasuredExchanges?
  ) throws -> (scheme: ExchangeScheme, selection: ExchangeSelection?) {
    guard let text = automatic.text, let table else {
      return (fixedExchange(defaultWire: wire), nil)
    }
    let schemes = schemes(of: table.engines, defaultWire: wire)
    guard let first = schemes.first else {
      let engines = table.engines.map { "\($0.dedup.rawValue) \($0.transport.rawValue)" }
      throw InputError(
        "the exchange table has no engine that \(text) could choose with --dedup "
          + "\(automatic.dedup ? AutomaticKnobs.word : dedup.rawValue) and --transport "
          + "\(automatic.transport ? AutomaticKnobs.word : transport.rawValue), it has "
          + engines.joined(separator: ", "))
    }
    return (first, ExchangeSelection(schemes: schemes, table: table))
  }

  /// Refuses `auto` without a table, and a table without `auto`.
  static func requireTable(_ path: String?, for cases: [CaseSpec]) throws {
    let text = cases.compactMap(\.automatic.text).first
    if let text, path == nil {
      throw InputError(
        "\(text) needs --exchange-table FILE, measure one with epsim calibrate --exchange")
    }
    if let path, text == nil {
      throw InputError(
        "--exchange-table \(path) has no effect without --dedup, --transport or --chunks auto")
    }
  }
}
