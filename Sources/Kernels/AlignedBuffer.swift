// SPDX-License-Identifier: Apache-2.0
// epsim: zeroed memory at a cache-line boundary.

/// Owned bytes, zeroed, aligned to 64 bytes for full-width vector loads.
struct AlignedBuffer: ~Copyable {
  let bytes: UnsafeMutableRawPointer
  let byteCount: Int

  init(byteCount: Int) {
    self.byteCount = byteCount
    bytes = .allocate(byteCount: max(byteCount, 64), alignment: 64)
    bytes.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
  }

  deinit {
    bytes.deallocate()
  }
}
