// SPDX-License-Identifier: Apache-2.0
// epsim: which of many items has the smallest key, while keys change one at a time.

/// Items 0 ..< n in a binary heap by rising key, equal keys by rising item.
///
/// The order is total, so the first item is the one that a search from the front would find.
struct KeyedHeap<Key: Comparable> {
  private struct Entry {
    var key: Key
    var item: Int32

    @inline(__always)
    static func < (left: Entry, right: Entry) -> Bool {
      left.key < right.key || (left.key == right.key && left.item < right.item)
    }
  }

  private var entries: [Entry]

  /// The given items; keys are never NaN.
  init(_ items: some Sequence<(item: Int, key: Key)>) {
    entries = items.map { Entry(key: $0.key, item: Int32($0.item)) }
    for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) { sink(index) }
  }

  /// The item with the smallest key; nil where none is left.
  var first: (item: Int, key: Key)? { entries.first.map { (Int($0.item), $0.key) } }

  /// Gives the first item another key.
  mutating func replaceFirst(key: Key) {
    entries[0].key = key
    sink(0)
  }

  /// Takes the first item out.
  mutating func removeFirst() {
    entries.swapAt(0, entries.count - 1)
    entries.removeLast()
    if !entries.isEmpty { sink(0) }
  }

  private mutating func sink(_ start: Int) {
    entries.withUnsafeMutableBufferPointer { entries in
      let moved = entries[start]
      var hole = start
      while true {
        var child = 2 * hole + 1
        if child >= entries.count { break }
        if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
        if !(entries[child] < moved) { break }
        entries[hole] = entries[child]
        hole = child
      }
      entries[hole] = moved
    }
  }
}
