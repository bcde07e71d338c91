// SPDX-License-Identifier: Apache-2.0
// epsim: files that are written piece by piece and appear whole.

internal import MoE

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A file under a temporary name in the same folder, renamed into place by ``finish()``.
///
/// What is not finished is removed again, so neither an error nor a reader in between meets a part.
final class AtomicOutput {
  private let path: String
  private let temporary: String
  private var descriptor: Int32
  private var length = 0
  private var isFinished = false

  /// - Throws: ``InputError`` when the folder does not exist or cannot be written to.
  init(path: String) throws {
    // Renaming over a device or a folder would take its place instead of writing into it, and over
    // a link would leave what it points to.
    let target = realpath(path, nil).map { resolved in
      defer { free(resolved) }
      return String(cString: resolved)
    }
    self.path = target ?? path
    var status = stat()
    guard stat(self.path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
      throw InputError("\(path): the file cannot be written, a folder or device stands there")
    }
    temporary = Self.temporaryName(for: self.path)
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Self.failure(path) }
  }

  deinit {
    if descriptor >= 0 { _ = close(descriptor) }
    if !isFinished { unlink(temporary) }
  }

  /// A name beside the target that no other process uses.
  static func temporaryName(for path: String) -> String { "\(path).part-\(getpid())" }

  static func failure(_ path: String) -> InputError {
    InputError(
      "\(path): the file cannot be written (\(String(cString: strerror(errno)))), check its folder")
  }

  /// Adds bytes at the end.
  func append(_ bytes: [UInt8]) throws {
    try write(bytes, at: length)
    length += bytes.count
  }

  /// Puts bytes anywhere; what lies between is zeros until it is written.
  func write(_ bytes: [UInt8], at offset: Int) throws {
    try bytes.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let count = pwrite(
          descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw Self.failure(path) }
        done += count
      }
    }
  }

  /// Makes the file appear under its name.
  func finish() throws {
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0, rename(temporary, path) == 0 else { throw Self.failure(path) }
    isFinished = true
  }
}

extension Array where Element: FixedWidthInteger & BitwiseCopyable {
  /// The elements as they stand in a file.
  func littleEndianBytes() -> [UInt8] {
    map(\.littleEndian).withUnsafeBytes { [UInt8]($0) }
  }
}
