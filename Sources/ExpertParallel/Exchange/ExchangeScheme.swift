// SPDX-License-Identifier: Apache-2.0
// epsim: the knobs of an exchange together.

public import CostModel
public import Kernels

/// How the rows of a case travel: every knob of its exchange.
///
/// Output is equal bit for bit for every dedup, transport and number of chunks as long as
/// ``combine`` is exact, ``transport`` is not `allgather` and the wires are the same.
public struct ExchangeScheme: Sendable, Hashable {
  /// Which copies travel.
  public var dedup: Dedup
  /// How they travel.
  public var transport: Transport
  /// Encoding on the way to the experts.
  public var wire: WireFormat
  /// What returns.
  public var combine: CombineRule
  /// Encoding on the way back.
  public var combineWire: ElementType
  /// Parts of a rank's tokens; the exchange of one overlaps the compute of another.
  public var chunks: Int
  /// Whether MPI is let move what is under way between blocks of work; of no effect with one chunk.
  public var polls: Bool

  public init(
    dedup: Dedup = .none, transport: Transport = .allToAllV, wire: WireFormat,
    combine: CombineRule = .exact, combineWire: ElementType = .f32, chunks: Int = 1,
    polls: Bool = true
  ) {
    self.dedup = dedup
    self.transport = transport
    self.wire = wire
    self.combine = combine
    self.combineWire = combineWire
    self.chunks = chunks
    self.polls = polls
  }

  /// The most chunks that a batch is split into.
  public static let chunkLimit = 64

  /// Why these knobs do not go together, in the words of the command line; nil where they do.
  public var contradiction: String? {
    switch transport {
    case .allGather
    where dedup != .none || combine != .exact || chunks != 1 || combineWire != .f32:
      "--transport allgather sends every row to every rank and lets MPI add up in f32, accepted "
        + "with it are --dedup none, --combine exact, --combine-wire f32 and --chunks 1"
    case .padded where dedup == .node || chunks != 1:
      "--transport padded is accepted with --dedup none or rank and --chunks 1"
    case .allGather: nil
    default:
      if combine == .preReduced && dedup == .none {
        "--combine pre-reduced adds up the results of one copy, accepted with it are --dedup rank "
          + "and node"
      } else if chunks > 1 && (dedup == .node || transport.sharesMemory) {
        "--chunks \(chunks) overlaps messages that travel by themselves, accepted with it are "
          + "--dedup none or rank and --transport alltoallv or p2p"
      } else {
        nil
      }
    }
  }

  /// Whether one summed row returns per copy instead of one row per assignment.
  var returnsSums: Bool { combine == .preReduced || transport == .allGather }

  /// Whether the output may differ from that of the exact class in the last bits.
  public var isTolerance: Bool { returnsSums }
}
