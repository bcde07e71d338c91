// SPDX-License-Identifier: Apache-2.0
// epsim: schemes that a case chooses from, exchange by exchange.

public import CostModel

/// The schemes that a case may use, one of them for every exchange of a layer and step.
///
/// They differ in dedup, transport and chunks only, so the output is the same whichever is taken.
public struct ExchangeSelection: Sendable {
  /// At least one; the first is used where nothing is known of an exchange.
  public let schemes: [ExchangeScheme]
  let chooser: ExchangeChooser

  /// - Parameter table: times of the engines on ranks like those of the run.
  /// - Precondition: there is a scheme, the table has the engine of each, and all of them have the
  ///   same wires and the exact combine.
  public init(schemes: [ExchangeScheme], table: MeasuredExchanges) {
    precondition(
      schemes.allSatisfy {
        $0.wire == schemes[0].wire && $0.combineWire == schemes[0].combineWire && !$0.returnsSums
      }, "schemes of other wires or sums")
    self.schemes = schemes
    chooser = ExchangeChooser(
      table: table,
      candidates: schemes.map {
        ExchangeChooser.Candidate(
          MeasuredExchanges.Engine($0.dedup, $0.transport), chunks: $0.chunks)
      })
  }

  /// Whether the experts' time has a say.
  var needsExpertTime: Bool { Set(schemes.map(\.chunks)).count > 1 }
}

extension RunCase {
  /// All schemes that its exchanges may use.
  public var schemes: [ExchangeScheme] { selection?.schemes ?? [exchange] }

  /// Whether the exchanges know when the rows of each partner were complete. Those that are chosen
  /// one by one do not tell: the stamps of a case have one layout.
  var tellsPartners: Bool { selection == nil && exchange.tellsPartners }

  /// Whether exchanges record what ran beside compute: where all of them are chunked.
  var recordsFlights: Bool { schemes.allSatisfy { $0.chunks > 1 } }
}
