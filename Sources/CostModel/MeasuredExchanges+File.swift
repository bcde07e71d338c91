// SPDX-License-Identifier: Apache-2.0
// epsim: the table of measured exchanges as a file.

internal import Foundation
internal import MoE

extension MeasuredExchanges {
  /// Far more than the largest grid needs.
  private static let sizeLimit = 16 << 20

  /// The bytes of the file: JSON with snake-case keys.
  public func encoded() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return [UInt8](try encoder.encode(self) + Data("\n".utf8))
  }

  /// Parses a file.
  ///
  /// - Parameter name: what the error sentences call it.
  /// - Throws: ``InputError`` for anything but a whole table of sensible numbers.
  public init(bytes: [UInt8], name: String) throws {
    let remedy = "measure one with epsim calibrate --exchange"
    guard bytes.count <= Self.sizeLimit else {
      throw InputError(
        "exchange table \(name) has \(bytes.count) bytes, accepted are up to \(Self.sizeLimit)")
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    struct Heading: Decodable { var schema: String }
    guard let heading = try? decoder.decode(Heading.self, from: Data(bytes)),
      heading.schema == Self.currentSchema
    else {
      throw InputError(
        "exchange table \(name) is not JSON of the schema \(Self.currentSchema), \(remedy)")
    }
    do {
      self = try decoder.decode(MeasuredExchanges.self, from: Data(bytes))
    } catch {
      throw InputError(
        "exchange table \(name) lacks values of the schema \(Self.currentSchema) or has others, "
          + remedy)
    }
    if let problem { throw InputError("exchange table \(name): \(problem)") }
  }

  /// The first thing that cannot be, in words; nil where all is well.
  private var problem: String? {
    let ranks = machine.ranks
    guard (2...1 << 24).contains(ranks), (1...ranks).contains(machine.nodes),
      machine.ranksPerNode.count == machine.nodes,
      machine.ranksPerNode.allSatisfy({ (1...ranks).contains($0) }),
      machine.ranksPerNode.reduce(0, +) == ranks
    else {
      return "\(ranks) ranks do not lie on \(machine.nodes) nodes as ranks_per_node says"
    }
    for text in [machine.mpi] + machine.hosts + series.map(\.workload)
    where text.utf8.count > 256 || text.unicodeScalars.contains(where: { $0.value < 32 }) {
      return "a name of \(text.utf8.count) bytes, accepted are 256 without control characters"
    }
    guard !engines.isEmpty, Set(engines).count == engines.count else {
      return "its first point has no times, or two of one engine"
    }
    for (index, series) in series.enumerated() {
      let place = "series \(index + 1) (\(series.workload))"
      guard !series.points.isEmpty else { return "\(place) has no points" }
      for point in series.points {
        if let problem = point.shape.problem { return "\(place) has \(problem)" }
        guard point.times.map(\.engine) == engines else {
          return "\(place) has other engines than the first point"
        }
        if let time = point.times.first(where: { !$0.isSensible }) {
          return
            "\(place) has a time of \(time.us) us with \(time.travelUs) us of travel and the "
            + "interval \(time.ci95 ?? []), accepted are 0.001 to 1e12 us in ascending order"
        }
      }
      let bytes = series.points.map(\.shape.bytesPerRank)
      guard zip(bytes, bytes.dropFirst()).allSatisfy({ $0 < $1 }) else {
        return "\(place) is not in the order of bytes per rank"
      }
    }
    return nil
  }
}

extension MeasuredExchanges.Time {
  fileprivate var isSensible: Bool {
    let accepted = 1e-3...1e12
    guard accepted.contains(us), (0...us).contains(travelUs) else { return false }
    guard let ci95 else { return true }
    return ci95.count == 2 && ci95.allSatisfy(accepted.contains) && ci95[0] <= us && us <= ci95[1]
  }
}
