// SPDX-License-Identifier: Apache-2.0
// epsim: folders that are filled file by file and appear whole.

internal import MoE

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif
#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A folder under a temporary name beside its target, renamed into place by ``finish()``.
final class AtomicFolder {
  private let path: String
  private let temporary: String
  private var isFinished = false

  /// - Throws: ``InputError`` when something stands there already or nothing can be made there.
  init(path: String) throws {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    guard !InputFile.exists(path) else {
      throw InputError("\(path): this exists already, a new folder is needed")
    }
    self.path = try OutputFile.requireWritable(path)
    temporary = AtomicOutput.temporaryName(for: path)
    guard mkdir(temporary, 0o755) == 0 else { throw AtomicOutput.failure(path) }
  }

  deinit {
    if !isFinished { try? FileManager.default.removeItem(atPath: temporary) }
  }

  /// Adds bytes at the end of a file of the folder.
  func append(_ bytes: [UInt8], to file: String) throws {
    let target = open(temporary + "/" + file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard target >= 0 else { throw AtomicOutput.failure(path) }
    defer { _ = close(target) }
    try bytes.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let count = write(target, bytes.baseAddress! + done, bytes.count - done)
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw AtomicOutput.failure(path) }
        done += count
      }
    }
  }

  /// Makes the folder appear under its name.
  func finish() throws {
    guard rename(temporary, path) == 0 else { throw AtomicOutput.failure(path) }
    isFinished = true
  }
}
