// SPDX-License-Identifier: Apache-2.0
// epsim: counts to the ranks that rows go to, and to no others.

internal import MPI

/// What an exchange of counts with few partners keeps between its steps.
final class SparseCounts {
  /// Below so many ranks a message to everyone costs less than the rounds of a reduction: on 8 ranks
  /// that share two cores the reduction made dispatch half as long again.
  static let fewestRanks = 64
  /// Partners are few where they are at most this part of the ranks.
  static let largestShare = 4

  let requests: RequestSet
  /// [1] partners of this rank, and the most of any.
  let partners: UnsafeMutableBufferPointer<Int32>
  let largest: UnsafeMutableBufferPointer<Int32>
  /// [R] whether a rank has told its counts.
  let hasTold: UnsafeMutableBufferPointer<Int32>

  init(rankCount: Int) {
    requests = RequestSet(capacity: rankCount + 1)
    partners = .zeroed(1)
    largest = .zeroed(1)
    hasTold = .zeroed(rankCount)
  }

  deinit {
    for buffer in [partners, largest, hasTold] { buffer.deallocate() }
  }
}

extension CountExchange {
  /// Beyond the tags of rows, of which every chunk has two.
  private static let firstTag = 1000

  /// Whether counts travel to partners only: all ranks decide alike, by what they learnt together.
  var isSparse: Bool {
    guard sparse != nil, let largestPartnerCount else { return false }
    return Int(largestPartnerCount) * SparseCounts.largestShare <= sourceCount
  }

  /// Tells the partners of this rank what they will receive. Collective.
  ///
  /// Nobody knows who will send to it. Every rank sends to its partners messages that are complete
  /// only once they are received, and takes in what comes; when its own are complete it joins a
  /// reduction, and when that is complete no message is left. The reduction also tells how many
  /// partners a rank has at most, which decides how the next counts travel.
  /// Source: Hoefler, Siebert and Lumsdaine 2010, algorithm NBX; the reduction is our addition.
  func exchangeSparsely(layer: Int, on comm: borrowing Communicator) throws {
    let sparse = sparse!
    // A quick rank may be one exchange ahead, here or on another channel, never two.
    let tag = Self.firstTag + 2 * channel + Int(serial & 1)
    sparse.hasTold.update(repeating: 0)
    copyOwnCounts()
    try read(rank, layer: layer)
    sparse.hasTold[rank] = 1
    for peer in rowsPerSource.indices where peer != rank && hasNews(for: peer) {
      _ = try sparse.requests.startSynchronousSend(
        UnsafeBufferPointer(rebasing: sent[sendPartition[peer]]), to: peer, tag: tag, on: comm)
    }
    var hasJoined = false
    while true {
      try sparse.requests.testSome { _ in }
      if sparse.requests.pendingCount == 0 {
        if hasJoined { break }
        hasJoined = true
        sparse.partners[0] = partnerCount
        _ = try sparse.requests.startAllReduce(
          UnsafeBufferPointer(sparse.partners), .max, into: sparse.largest, on: comm)
      }
      if let message = try comm.probe(tag: tag) {
        try takeIn(message.source, tag: tag, layer: layer, on: comm)
      }
    }
    largestPartnerCount = sparse.largest[0]
    for source in rowsPerSource.indices where sparse.hasTold[source] == 0 { clear(source) }
  }

  private func hasNews(for peer: Int) -> Bool {
    let first = sendPartition[peer].lowerBound
    return sent[first + 2] != 0 || sent[first + 3] != 0 || sent[first + 4] != 0
  }

  private func copyOwnCounts() {
    for (target, source) in zip(receivePartition[rank], sendPartition[rank]) {
      received[target] = sent[source]
    }
  }

  private func takeIn(
    _ source: Int, tag: Int, layer: Int, on comm: borrowing Communicator
  ) throws {
    _ = try comm.receive(
      into: UnsafeMutableBufferPointer(rebasing: received[receivePartition[source]]),
      from: source, tag: tag)
    try read(source, layer: layer)
    sparse!.hasTold[source] = 1
  }

  /// A rank that told nothing sends nothing.
  private func clear(_ source: Int) {
    for slot in 0..<localSlotCount { receivedPerSlot[source * localSlotCount + slot] = 0 }
    rowsPerSource[source] = 0
    unitsPerSource[source] = 0
    forwardedPerSource[source] = 0
    firstResultOfSource[source] = 0
  }
}
