// SPDX-License-Identifier: Apache-2.0
// epsim: what the row operations of a layer read and write.

/// Bytes that pack, group, ungroup and reduce read and write on a rank.
///
/// With w bytes of a row on the wire, c of a returning one, b of a value in compute format: pack
/// reads 4 H and writes w a row, group reads w and writes b H, ungroup reads 4 H and writes c a
/// result, reduce reads c a result, and reads and writes 4 H a token.
public struct CopiedBytes: Sendable {
  public let pack: Double
  public let group: Double
  public let ungroup: Double
  public let reduce: Double

  /// - Parameters:
  ///   - packedRows: rows of the rank's own tokens that are written, those that stay included.
  ///   - groupedRows: rows at the rank's experts.
  ///   - returnedRows: results that are written; sums of several where these return.
  ///   - reducedRows: results that the rank's own tokens add up.
  ///   - wireBytes: of a row to the experts.
  ///   - elementBytes: of a value in compute format.
  ///   - combineBytes: of a row that returns.
  public init(
    hidden: Int, tokens: Int, packedRows: Int, groupedRows: Int, returnedRows: Int,
    reducedRows: Int, wireBytes: Double, elementBytes: Double, combineBytes: Double
  ) {
    let (grouped, values) = (Double(groupedRows), Double(hidden))
    pack = Double(packedRows) * (4 * values + wireBytes)
    group = grouped * (wireBytes + elementBytes * values)
    ungroup = grouped * 4 * values + Double(returnedRows) * combineBytes
    reduce = Double(reducedRows) * combineBytes + Double(tokens) * 8 * values
  }

  /// All four.
  public var total: Double { pack + group + ungroup + reduce }
}
