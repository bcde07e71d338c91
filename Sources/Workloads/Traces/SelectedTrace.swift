// SPDX-License-Identifier: Apache-2.0
// epsim: parts of a trace: samples of it, and what it is split into.

internal import MoE

/// Some token ranges of a trace, one after the other, as a trace of their own.
public struct SelectedTrace: TraceSource {
  public let shape: TraceShape
  private let source: any TraceSource
  /// Ranges of the source; in the order of this trace.
  private let ranges: [Range<Int>]
  /// Where each range lies in this trace.
  private let parts: SequenceIndex
  private let sequences: SequenceIndex

  /// - Precondition: the ranges lie in the source, none is empty, and there is one.
  public init(_ source: any TraceSource, ranges: [Range<Int>]) {
    precondition(
      !ranges.isEmpty
        && ranges.allSatisfy { !$0.isEmpty && $0.upperBound <= source.shape.tokenCount },
      "ranges of a trace of \(source.shape.tokenCount) tokens")
    self.source = source
    self.ranges = ranges
    parts = SequenceIndex(lengths: ranges.map(\.count))
    shape = source.shape.with(tokenCount: parts.end(of: ranges.count - 1))
    let index = SequenceIndex(lengths: source.sequenceLengths)
    // Parts of the same sequence that follow each other stay one sequence.
    var lengths: [Int] = []
    var last = -1
    for range in ranges {
      var sequence = index.sequence(of: range.lowerBound)
      for length in index.lengths(in: range) {
        if sequence == last {
          lengths[lengths.count - 1] += length
        } else {
          lengths.append(length)
        }
        last = sequence
        sequence += 1
      }
    }
    sequences = SequenceIndex(lengths: lengths)
  }

  public var sequenceLengths: [Int] { sequences.lengths }

  public func window(_ tokens: Range<Int>) throws -> RoutingTrace {
    precondition(
      !tokens.isEmpty && tokens.lowerBound >= 0 && tokens.upperBound <= shape.tokenCount,
      "window \(tokens) of a trace of \(shape.tokenCount) tokens")
    var ids: [Int32] = []
    var weights: [Float] = []
    var token = tokens.lowerBound
    var part = parts.sequence(of: token)
    while token < tokens.upperBound {
      // Neighbouring ranges are read as one.
      let start = ranges[part].upperBound - (parts.end(of: part) - token)
      var end = min(ranges[part].upperBound, start + tokens.upperBound - token)
      while end == ranges[part].upperBound, part + 1 < ranges.count,
        ranges[part + 1].lowerBound == end, token + end - start < tokens.upperBound
      {
        part += 1
        end = min(ranges[part].upperBound, start + tokens.upperBound - token)
      }
      let window = try source.window(start..<end)
      ids += window.expertIndices
      weights += window.routingWeights
      token += end - start
      part += 1
    }
    return try RoutingTrace(
      shape: shape, sequenceLengths: sequences.lengths(in: tokens), expertIndices: ids,
      routingWeights: shape.hasWeights ? weights : nil,
      place: TracePlace(firstToken: tokens.lowerBound))
  }
}

/// What a trace is cut between.
public enum TraceUnit: String, Sendable, CaseIterable {
  /// Any two tokens.
  case token
  /// Sequences only.
  case sequence
}

extension SelectedTrace {
  /// Random tokens, or random sequences until there are enough tokens, in the source's order.
  ///
  /// - Parameters:
  ///   - tokens: how many; sequences are whole, so there may be more of them by part of one.
  /// - Throws: ``InputError`` when the source has fewer.
  public init(
    sampling tokens: Int, by unit: TraceUnit, of source: any TraceSource, seed: UInt64
  ) throws {
    let count = source.shape.tokenCount
    guard (1...count).contains(tokens) else {
      throw InputError(
        "\(source.shape.name): a sample of \(tokens) tokens, accepted are 1 to \(count)")
    }
    var random = RandomDraws(key: CounterRandom(seed: seed, 0x5A3B).key, number: 0)
    switch unit {
    case .token:
      // Each token is taken with the share of what is still wanted among what is left (Knuth,
      // algorithm S), so the order is kept and nothing is shuffled.
      var ranges: [Range<Int>] = []
      var wanted = tokens
      for token in 0..<count where random.below(count - token) < wanted {
        wanted -= 1
        if let last = ranges.last, last.upperBound == token {
          ranges[ranges.count - 1] = last.lowerBound..<token + 1
        } else {
          ranges.append(token..<token + 1)
        }
      }
      self.init(source, ranges: ranges)
    case .sequence:
      let lengths = source.sequenceLengths
      var order = Array(lengths.indices)
      random.shuffle(&order)
      var chosen: Set<Int> = []
      var sum = 0
      for sequence in order where sum < tokens {
        chosen.insert(sequence)
        sum += lengths[sequence]
      }
      var start = 0
      var ranges: [Range<Int>] = []
      for (sequence, length) in lengths.enumerated() {
        if chosen.contains(sequence) { ranges.append(start..<start + length) }
        start += length
      }
      self.init(source, ranges: ranges)
    }
  }

  /// Both sides of a cut.
  ///
  /// - Parameters:
  ///   - tokens: of the first side; by sequence, the border that lies nearest is taken.
  /// - Throws: ``InputError`` when a side would be empty.
  public static func split(_ source: any TraceSource, at tokens: Int, by unit: TraceUnit) throws
    -> (SelectedTrace, SelectedTrace)
  {
    let count = source.shape.tokenCount
    var cut = tokens
    if unit == .sequence {
      var (end, best) = (0, 0)
      for length in source.sequenceLengths.dropLast() {
        end += length
        if best == 0 || abs(end - tokens) < abs(best - tokens) { best = end }
      }
      cut = best
    }
    guard cut >= 1, cut < count else {
      throw InputError(
        "\(source.shape.name): a cut after \(cut) of \(count) tokens"
          + (unit == .sequence ? " in \(source.sequenceLengths.count) sequences" : "")
          + " leaves a side empty, accepted are 1 to \(count - 1)")
    }
    return (
      SelectedTrace(source, ranges: [0..<cut]), SelectedTrace(source, ranges: [cut..<count])
    )
  }
}
