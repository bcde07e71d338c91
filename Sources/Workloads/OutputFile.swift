// SPDX-License-Identifier: Apache-2.0
// epsim: files written so that no reader sees half of one, and the folders that they go to.

internal import MoE

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Writing a result file.
public enum OutputFile {
  /// Writes all bytes under a temporary name and renames it, so that a reader (or a crash) never
  /// meets a partial file.
  ///
  /// A link is followed: the file that it points to is replaced, the link stays.
  /// - Throws: ``InputError`` as ``requireWritable(_:)``, or when the disk takes no more.
  public static func write(_ bytes: [UInt8], toPath path: String) throws {
    let output = try AtomicOutput(path: path)
    try output.append(bytes)
    try output.finish()
  }

  /// Checks before long work that a file can be written.
  ///
  /// - Returns: where the path leads through links.
  /// - Throws: ``InputError`` when something stands there that is no plain file, or when its folder
  ///   does not exist or cannot be written to.
  @discardableResult
  public static func requireWritable(_ path: String) throws -> String {
    let target = try resolved(path)
    var status = stat()
    // Renaming over a device, a pipe or a folder would take its place instead of writing into it.
    guard stat(target, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
      throw InputError(
        "\(path): the file cannot be written, a folder, pipe or device stands there")
    }
    let folder = folder(of: target)
    guard stat(folder, &status) == 0 else {
      throw InputError("\(path): the file cannot be written, there is no folder \(folder)")
    }
    guard status.st_mode & S_IFMT == S_IFDIR, access(folder, W_OK | X_OK) == 0 else {
      throw InputError(
        "\(path): the file cannot be written, \(folder) is no folder that this user may write to")
    }
    return target
  }

  /// Makes a folder and those above it where they are missing.
  ///
  /// - Throws: ``InputError`` that tells the system's reason.
  public static func makeFolder(_ path: String) throws {
    var status = stat()
    if stat(path, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFDIR else {
        throw InputError("\(path): the folder cannot be made, a file of that name stands there")
      }
      return
    }
    let above = folder(of: path)
    if stat(above, &status) != 0, above != path { try makeFolder(above) }
    // Another process may have made it meanwhile.
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
      throw InputError("\(path): the folder cannot be made (\(String(cString: strerror(errno))))")
    }
  }

  /// Where a path leads through links, also those to a file that does not exist yet.
  private static func resolved(_ given: String) throws -> String {
    var path = given
    // The system follows as many, see path_resolution(7).
    for _ in 0..<40 {
      if let whole = realpath(path, nil) {
        defer { free(whole) }
        return String(cString: whole)
      }
      var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
      let count = readlink(path, &buffer, buffer.count)
      guard count > 0 else { return path }
      let link = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
      path = link.hasPrefix("/") ? link : folder(of: path) + "/" + link
    }
    throw InputError("\(given): the file cannot be written, its links lead nowhere")
  }

  /// The folder that a path lies in.
  private static func folder(of path: String) -> String {
    var path = Substring(path)
    while path.count > 1, path.last == "/" { path.removeLast() }
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
