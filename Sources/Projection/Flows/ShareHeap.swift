// SPDX-License-Identifier: Apache-2.0
// epsim: the link with the smallest share first.

/// A binary heap of links by their share, whose keys may lag behind what they stand for.
struct ShareHeap {
  private var links: [Int32] = []
  private var shares: [Double] = []

  /// The smallest.
  var first: (link: Int32, share: Double)? {
    links.isEmpty ? nil : (links[0], shares[0])
  }

  mutating func removeAll() {
    links.removeAll(keepingCapacity: true)
    shares.removeAll(keepingCapacity: true)
  }

  /// Adds without order; ``order()`` must follow.
  mutating func append(link: Int32, share: Double) {
    links.append(link)
    shares.append(share)
  }

  mutating func order() {
    for index in stride(from: links.count / 2 - 1, through: 0, by: -1) { sink(index) }
  }

  /// - Precondition: there is one.
  mutating func removeFirst() -> Int32 {
    let link = links[0]
    let (lastLink, lastShare) = (links.removeLast(), shares.removeLast())
    if !links.isEmpty {
      (links[0], shares[0]) = (lastLink, lastShare)
      sink(0)
    }
    return link
  }

  /// - Precondition: there is one, and its share is smaller.
  mutating func raiseFirst(to share: Double) {
    shares[0] = share
    sink(0)
  }

  /// Equal shares are ordered by link, so that results do not depend on the history of the heap.
  private func precedes(_ left: Int, _ right: Int) -> Bool {
    (shares[left], links[left]) < (shares[right], links[right])
  }

  private mutating func sink(_ start: Int) {
    var index = start
    while true {
      var smallest = index
      let left = 2 * index + 1
      if left < links.count, precedes(left, smallest) { smallest = left }
      if left + 1 < links.count, precedes(left + 1, smallest) { smallest = left + 1 }
      if smallest == index { return }
      links.swapAt(index, smallest)
      shares.swapAt(index, smallest)
      index = smallest
    }
  }
}
