// SPDX-License-Identifier: Apache-2.0
// epsim: the options that say how rows travel.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MoE

extension CaseKnob {
  /// How rows travel to the experts and back.
  static var exchanging: [CaseKnob] {
    [
      CaseKnob(
        name: "dedup", text: \.execution?.dedup,
        set: {
          $0.automatic.dedup = $1 == AutomaticKnobs.word
          $0.dedup =
            $0.automatic.dedup
            ? .none : try CaseSpec.value(Dedup.self, $1, "dedup", also: AutomaticKnobs.word)
        }, word: { $0.automatic.dedup ? AutomaticKnobs.word : $0.dedup.rawValue }),
      CaseKnob(
        name: "transport", text: \.execution?.transport,
        set: {
          $0.automatic.transport = $1 == AutomaticKnobs.word
          $0.transport =
            $0.automatic.transport
            ? .allToAllV
            : try CaseSpec.value(Transport.self, $1, "transport", also: AutomaticKnobs.word)
        }, word: { $0.automatic.transport ? AutomaticKnobs.word : $0.transport.rawValue }),
      CaseKnob(
        name: "wire", text: \.execution?.wire,
        set: { $0.wire = try CaseSpec.value(WireFormat.self, $1, "wire") },
        word: { $0.wire?.rawValue ?? "default" }),
      CaseKnob(
        name: "combine", text: \.execution?.combine,
        set: { $0.combine = try CaseSpec.value(CombineRule.self, $1, "combine") },
        word: \.combine.rawValue),
      CaseKnob(
        name: "combine-wire", text: \.execution?.combineWire,
        set: { $0.combineWire = try CaseSpec.value(ElementType.self, $1, "combine-wire") },
        word: \.combineWire.rawValue),
      CaseKnob(
        name: "chunks", text: \.execution?.chunks,
        set: {
          $0.automatic.chunks = $1 == AutomaticKnobs.word
          guard !$0.automatic.chunks else {
            $0.chunks = 1
            return
          }
          guard let chunks = Int($1), (1...ExchangeScheme.chunkLimit).contains(chunks) else {
            throw InputError(
              "--chunks \($1), accepted are 1 to \(ExchangeScheme.chunkLimit), and auto")
          }
          $0.chunks = chunks
        }, word: { $0.automatic.chunks ? AutomaticKnobs.word : "\($0.chunks)" }),
      CaseKnob(
        name: "poll", text: \.execution?.poll,
        set: { $0.poll = try CaseSpec.value(CaseSpec.Poll.self, $1, "poll") },
        word: \.poll.rawValue),
    ]
  }
}

extension CaseSpec {
  /// How rows travel where nothing is written `auto`.
  /// - Parameter wire: the format to the experts where the case names none.
  func fixedExchange(defaultWire wire: WireFormat) -> ExchangeScheme {
    ExchangeScheme(
      dedup: dedup, transport: transport, wire: self.wire ?? wire, combine: combine,
      combineWire: combineWire, chunks: chunks, polls: poll == .on)
  }

  /// Whether some exchange may have several chunks.
  var mayChunk: Bool { chunks > 1 || automatic.chunks }

  /// Why the options of the exchange do not go together; nil where they do.
  var contradiction: String? {
    if timing == .barrier && mayChunk {
      return "--timing barrier stops before every exchange, accepted with it is --chunks 1"
    }
    return automatic.text == nil
      ? fixedExchange(defaultWire: .f32).contradiction : automaticContradiction
  }

  /// The cases whose exchange is possible, and a remark on those that are left out.
  ///
  /// - Throws: ``InputError`` where none is left.
  static func withoutContradictions(
    _ product: [CaseSpec]
  ) throws -> (cases: [CaseSpec], remark: String?) {
    let reasons = product.compactMap(\.contradiction)
    guard let first = reasons.first else { return (product, nil) }
    guard reasons.count < product.count else {
      throw InputError(
        product.count == 1 ? first : "none of \(product.count) cases can run: \(first)")
    }
    return (
      product.filter { $0.contradiction == nil },
      "left out: \(reasons.count) of \(product.count) cases, whose options do not go "
        + "together: \(first)"
    )
  }
}
