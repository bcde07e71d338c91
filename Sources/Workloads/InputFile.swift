// SPDX-License-Identifier: Apache-2.0
// epsim: files that people hand in, and files written so that no reader sees half of one.

internal import MoE

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
  /// - Throws: ``InputError`` when the file is absent or cannot be read.
  public static func bytes(ofPath path: String, kind: String) throws -> [UInt8] {
    var isDirectory = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw InputError("\(kind) \(path): there is no such file")
    }
    guard !isDirectory else {
      throw InputError("\(kind) \(path): this is a folder, a file is needed")
    }
    do {
      // Mapping avoids holding a large file twice while it is copied.
      return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe))
    } catch {
      throw InputError("\(kind) \(path): the file cannot be read, check its permissions")
    }
  }
}

/// Writing a result file.
public enum OutputFile {
  /// Writes all bytes under a temporary name and renames it, so that a reader (or a crash) never
  /// meets a partial file.
  ///
  /// - Throws: ``InputError`` when the folder does not exist or cannot be written to.
  public static func write(_ bytes: [UInt8], toPath path: String) throws {
    do {
      try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw InputError("\(path): the file cannot be written, check that its folder is writable")
    }
  }
}
