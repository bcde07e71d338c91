// SPDX-License-Identifier: Apache-2.0
// epsim: which of several ways to exchange rows is expected to be the fastest.

/// Chooses among ways to exchange rows by a table of measured times.
///
/// The rule, of engines first: the least predicted time; another dedup than that of an earlier
/// candidate is taken only where it saves at least a twentieth, for less does not outlast the noise
/// of a table. Of chunks: on one node always the least
/// number, for there messages move only while a rank is in MPI and overlap nothing. Between nodes d
/// chunks are expected to take
///
///     local + travel(bytes / d) + (d - 1) max(travel(bytes / d), expert / d) + expert / d
///
/// with `local` the part of the exchange that is no travel and `expert` the time of the experts,
/// against `local + travel + expert` for one; they too must save a twentieth.
public struct ExchangeChooser: Sendable {
  /// A way to exchange rows, in so many chunks.
  public struct Candidate: Sendable, Hashable {
    public var engine: MeasuredExchanges.Engine
    public var chunks: Int

    public init(_ engine: MeasuredExchanges.Engine, chunks: Int = 1) {
      self.engine = engine
      self.chunks = chunks
    }
  }

  /// What was chosen for one exchange.
  public struct Choice: Sendable, Equatable {
    /// Index of the candidate.
    public var candidate: Int
    /// Time that the exchange is expected to add to that of the experts, microseconds; 0 where
    /// nothing is known of the exchange.
    public var predictedUs: Double
    /// Whether the exchange is smaller or larger than what was measured.
    public var isExtrapolated: Bool

    public init(candidate: Int, predictedUs: Double = 0, isExtrapolated: Bool = false) {
      self.candidate = candidate
      self.predictedUs = predictedUs
      self.isExtrapolated = isExtrapolated
    }
  }

  /// Share of the time that another dedup or more chunks must save.
  public static let leastSaving = 0.05

  public let table: MeasuredExchanges
  /// At least one; the first is taken where nothing is known.
  public let candidates: [Candidate]

  /// - Precondition: there is a candidate, and the table has the engine of each.
  public init(table: MeasuredExchanges, candidates: [Candidate]) {
    precondition(
      !candidates.isEmpty && candidates.allSatisfy { table.engines.contains($0.engine) },
      "\(candidates.count) candidates, a table of \(table.engines)")
    self.table = table
    self.candidates = candidates
  }

  /// Chooses for one exchange.
  ///
  /// - Parameters:
  ///   - shape: nil where nothing is known of the exchange, or nothing is exchanged.
  ///   - expertUs: the experts' time on the slowest rank; 0 where it is not known.
  public func choice(_ shape: ExchangeShape?, expertUs: Double) -> Choice {
    guard let shape else { return Choice(candidate: 0) }
    let fewest = candidates.map(\.chunks).min()!
    var best: (choice: Choice, candidate: Candidate)?
    // Fewest chunks first: more must save something against the best of these.
    let order = candidates.indices.sorted {
      (candidates[$0].chunks, $0) < (candidates[$1].chunks, $1)
    }
    for index in order {
      let candidate = candidates[index]
      guard candidate.chunks == fewest || table.machine.nodes > 1,
        let (us, isExtrapolated) = time(of: candidate, shape, expertUs: expertUs)
      else { continue }
      if let best {
        let isAlike =
          candidate.chunks == best.candidate.chunks
          && candidate.engine.dedup == best.candidate.engine.dedup
        let share = isAlike ? 1 : 1 - Self.leastSaving
        guard us + expertUs < share * (best.choice.predictedUs + expertUs) else { continue }
      }
      best = (
        Choice(candidate: index, predictedUs: us, isExtrapolated: isExtrapolated), candidate
      )
    }
    return best?.choice ?? Choice(candidate: 0)
  }

  /// What a candidate adds to the time of the experts.
  private func time(
    of candidate: Candidate, _ shape: ExchangeShape, expertUs: Double
  ) -> (us: Double, isExtrapolated: Bool)? {
    guard let whole = table.prediction(of: candidate.engine, shape) else { return nil }
    guard candidate.chunks > 1 else { return (whole.us, whole.isExtrapolated) }
    let count = Double(candidate.chunks)
    var part = shape
    part.rowsPerRank /= count
    guard let travel = table.prediction(of: candidate.engine, part)?.travelUs else { return nil }
    let expert = expertUs / count
    let pipeline = travel + (count - 1) * max(travel, expert) + expert
    return (whole.us - whole.travelUs + pipeline - expertUs, whole.isExtrapolated)
  }
}
