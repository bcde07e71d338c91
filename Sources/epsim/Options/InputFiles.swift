// SPDX-License-Identifier: Apache-2.0
// epsim: the files that a command needs, read by one rank and known to all.

internal import Foundation
internal import MPI
internal import MoE
internal import Workloads

/// The bytes of every file that a command names, by the name as it was written.
///
/// Under mpirun rank 0 reads them and tells the others, so a file need not exist on every node and
/// all ranks work with the same bytes.
struct InputFiles {
  /// A file to read.
  struct Request {
    /// What the person wrote.
    var name: String
    /// Where it is.
    var path: String
    /// What error sentences call it.
    var kind: String
  }

  private var bytesOfName: [String: [UInt8]] = [:]

  /// Reads files on this process.
  init(_ requests: [Request]) throws {
    for request in requests where bytesOfName[request.name] == nil {
      bytesOfName[request.name] = try InputFile.bytes(
        ofPath: Installation.path(of: request.path), kind: request.kind)
    }
  }

  /// Reads files on rank 0 and broadcasts them. Collective.
  ///
  /// - Parameter requests: evaluated on rank 0 only, for it may look at the file system.
  init(on comm: borrowing Communicator, _ requests: () throws -> [Request]) throws {
    let own = try comm.agree(classify: Launch.exitCode) {
      comm.rank == 0 ? try InputFiles(requests()).bytesOfName : [:]
    }
    let names = try comm.broadcast(own.keys.sorted().joined(separator: "\n"), root: 0)
    for name in names.split(separator: "\n").map(String.init) {
      bytesOfName[name] = try comm.broadcast(own[name] ?? [], root: 0)
    }
  }

  /// The bytes of a file that was read.
  func bytes(_ name: String) -> [UInt8] { bytesOfName[name] ?? [] }

  /// The text of a file that was read.
  func text(_ name: String) -> String { String(decoding: bytes(name), as: UTF8.self) }
}

/// What comes with epsim: the presets in `models/`, the examples.
enum Installation {
  /// Where a file is: as written where it exists, else beneath the folder of the installation that
  /// has it, so that the files of `examples/` find each other from any directory.
  static func path(of path: String) -> String {
    guard !path.hasPrefix("/"), !exists(path) else { return path }
    return folders().map { $0 + "/" + path }.first(where: exists) ?? path
  }

  /// EPSIM_HOME, the folders above the executable, and here; those that hold `models/`.
  static func folders() -> [String] {
    var bases: [String] = []
    if let home = ProcessInfo.processInfo.environment["EPSIM_HOME"] { bases.append(home) }
    var folder = URL(fileURLWithPath: Bundle.main.executablePath ?? CommandLine.arguments[0])
      .resolvingSymlinksInPath()
    for _ in 0..<6 {
      folder.deleteLastPathComponent()
      bases += [folder.path, folder.path + "/share/epsim"]
    }
    bases.append(FileManager.default.currentDirectoryPath)
    return bases.filter { exists($0 + "/models") }
  }

  private static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path)
  }
}
