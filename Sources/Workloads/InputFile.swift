// SPDX-License-Identifier: Apache-2.0
// epsim: files that people hand in.

internal import MoE

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif
#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// Reading a file that a person named.
public enum InputFile {
  /// All bytes of a file.
  ///
  /// - Parameter kind: what the file is, for the error sentence ("trace", "load file").
  /// - Throws: ``InputError`` when the file is absent, not a plain file or cannot be read.
  public static func bytes(ofPath path: String, kind: String) throws -> [UInt8] {
    // Mapping avoids holding a large file twice while it is copied.
    [UInt8](try data(ofPath: path, kind: kind, options: .mappedIfSafe))
  }

  /// A file mapped into memory: only the parts that are looked at are read.
  ///
  /// Whoever shortens the file meanwhile ends this process; renaming another over it is safe.
  /// - Throws: ``InputError`` when the file is absent, not a plain file or cannot be read.
  static func mapped(ofPath path: String, kind: String) throws -> FileBytes {
    FileBytes(mapped: try data(ofPath: path, kind: kind, options: .alwaysMapped))
  }

  /// Whether there is something at a path.
  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  /// Whether a path is that of a folder.
  static func isFolder(_ path: String) -> Bool {
    var isDirectory = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory
  }

  /// The names of what is in a folder.
  static func names(inFolder path: String, kind: String) throws -> [String] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      throw InputError("\(kind) \(path): the folder cannot be read, check its permissions")
    }
    return names
  }

  private static func data(ofPath path: String, kind: String, options: Data.ReadingOptions) throws
    -> Data
  {
    var isDirectory = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw InputError("\(kind) \(path): there is no such file")
    }
    guard !isDirectory else {
      throw InputError("\(kind) \(path): this is a folder, a file is needed")
    }
    var status = stat()
    guard stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
      throw InputError("\(kind) \(path): this is no plain file, a pipe cannot be mapped")
    }
    do {
      return try Data(contentsOf: URL(fileURLWithPath: path), options: options)
    } catch {
      throw InputError("\(kind) \(path): the file cannot be read, check its permissions")
    }
  }
}
