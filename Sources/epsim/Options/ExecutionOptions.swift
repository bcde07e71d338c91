// SPDX-License-Identifier: Apache-2.0
// epsim: the options that say how rows travel, what computes and what is injected.

internal import ArgumentParser

/// What travels, what computes and what is injected; comma lists make cases as well.
struct ExecutionOptions: ParsableArguments {
  @Option(
    help: """
      Move the live router's selection bias by this after every step, towards the experts below the \
      mean load over all ranks (DeepSeek-V3 has 0.001), or none.
      """)
  var biasUpdate: String?

  @Option(
    help: """
      Which copies of a token's row travel: none, one per assignment; rank, one per destination \
      rank, which expands it to its experts; node, one per destination node, where one rank fans \
      it out to the others; auto, as --exchange-table makes it fastest.
      """)
  var dedup: String?

  @Option(
    help: """
      How rows travel: alltoallv, by MPI_Alltoallv; p2p, by messages between ranks that have rows \
      for each other; shm+alltoallv or shm+p2p, through shared memory inside a node and so between \
      nodes; padded, in blocks as large as the largest; allgather, every row to every rank; auto, as \
      --exchange-table makes it fastest.
      """)
  var transport: String?

  @Option(
    help: """
      Format of rows on the way to the experts: f32, bf16, or fp8 (E4M3, a Float scale per 128 \
      values). Default: as --dtype.
      """)
  var wire: String?

  @Option(
    help: """
      What returns: exact, a row per assignment, added up in ascending k; pre-reduced, a weighted \
      sum per copy that was sent (with --dedup rank or node): fewer bytes, other last bits.
      """)
  var combine: String?

  @Option(help: "Format of rows on the way back: f32 (default), bf16.")
  var combineWire: String?

  @Option(
    help: """
      Parts of a rank's tokens, 1 to 64: the exchange of one overlaps the experts' work on \
      another. 1 (default): exchange, then compute. auto: 1, 2 or 4, by --exchange-table.
      """)
  var chunks: String?

  @Option(
    help: ArgumentHelp(
      "Times of every way to exchange rows, from 'epsim calibrate --exchange'; auto chooses by them.",
      valueName: "file"))
  var exchangeTable: String?

  @Option(
    help: """
      Whether chunks that are under way are moved on between blocks of work: on (default); off \
      shows what MPI does by itself.
      """)
  var poll: String?

  @Option(
    help: """
      What stands for the experts: real products; emulated, rows travel and the rank sleeps for the \
      time that --expert-rate gives; none, rows return at once.
      """)
  var compute: String?

  @Option(help: "FLOP/s of a rank's experts with --compute emulated, such as 2e11 or 200G.")
  var expertRate: String?

  @Option(
    help: """
      How waiting is told from transfer: clocks, by the aligned entry stamps of all ranks; barrier, \
      by a barrier before every exchange, a cross-check that changes what it measures.
      """)
  var timing: String?

  @Option(
    help: ArgumentHelp(
      "Keep a rank busy (asleep, without real experts) for so long before it packs, in every layer.",
      valueName: "rank:microseconds"))
  var delay: String?

  @Option(
    help: ArgumentHelp(
      "Make a rank's experts take so many times as long.", valueName: "rank:factor"))
  var slow: String?

  @Option(
    help: ArgumentHelp(
      "Keep every rank busy, or asleep, for a random time up to this before it packs, in every layer.",
      valueName: "microseconds"))
  var jitter: String?
}
