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

  /// - Throws: ``InputError`` as ``OutputFile/requireWritable(_:)``.
  init(path: String) throws {
    self.path = try OutputFile.requireWritable(path)
    temporary = Self.temporaryName(for: self.path)
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Self.failure(path) }
    var status = stat()
    // A file that only its owner may read stays so.
    if stat(self.path, &status) == 0 { _ = fchmod(descriptor, status.st_mode & 0o777) }
  }

  deinit {
    if descriptor >= 0 { _ = close(descriptor) }
    if !isFinished { unlink(temporary) }
  }

  /// A name beside the target that no other process uses.
  static func temporaryName(for path: String) -> String { "\(path).part-\(getpid())" }

  static func failure(_ path: String) -> InputError {
    InputError(
      "\(path): the file cannot be written (\(String(cString: strerror(errno))))")
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
