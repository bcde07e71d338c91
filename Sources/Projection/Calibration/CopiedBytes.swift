// SPDX-License-Identifier: Apache-2.0
// epsim: what the row operations of a layer read and write.

/// Bytes that pack, group, ungroup and reduce read and write on a rank.
///
/// With w bytes of a row on the wire, c of a returning one, b of a value in compute format: pack
/// reads 4 H and writes w a row, group reads w and writes b H, ungroup reads 4 H and writes c,
/// reduce reads c a row, and reads and writes 4 H a token.
public struct CopiedBytes: Sendable {
  public let pack: Double
  public let group: Double
  public let ungroup: Double
  public let reduce: Double

  /// - Parameters:
  ///   - sentRows: rows of the rank's own tokens, those that stay included.
  ///   - receivedRows: rows at the rank's experts.
  ///   - wireBytes: of a row to the experts.
  ///   - elementBytes: of a value in compute format.
  ///   - combineBytes: of a row that returns.
  public init(
    hidden: Int, tokens: Int, sentRows: Int, receivedRows: Int, wireBytes: Double,
    elementBytes: Double, combineBytes: Double
  ) {
    let (sent, received, values) = (Double(sentRows), Double(receivedRows), Double(hidden))
    pack = sent * (4 * values + wireBytes)
    group = received * (wireBytes + elementBytes * values)
    ungroup = received * (4 * values + combineBytes)
    reduce = sent * combineBytes + Double(tokens) * 8 * values
  }

  /// All four.
  public var total: Double { pack + group + ungroup + reduce }
}
