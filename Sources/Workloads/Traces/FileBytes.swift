// SPDX-License-Identifier: Apache-2.0
// epsim: the bytes of an input, mapped from a file or held in memory.

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// Bytes that readers look at without copying them.
struct FileBytes: Sendable {
  private enum Storage: Sendable {
    case mapped(Data)
    case memory([UInt8])
  }

  private let storage: Storage

  /// A file that is mapped.
  init(mapped data: Data) { storage = .mapped(data) }

  /// Bytes in memory.
  init(_ bytes: [UInt8]) { storage = .memory(bytes) }

  /// How many there are.
  var count: Int {
    switch storage {
    case .mapped(let data): data.count
    case .memory(let bytes): bytes.count
    }
  }

  /// Looks at all bytes; the pointer is valid within `body` only.
  func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    switch storage {
    case .mapped(let data): try data.withUnsafeBytes(body)
    case .memory(let bytes): try bytes.withUnsafeBytes(body)
    }
  }
}
