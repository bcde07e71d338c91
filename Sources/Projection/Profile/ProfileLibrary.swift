// SPDX-License-Identifier: Apache-2.0
// epsim: the cluster profiles that commands name.

internal import Foundation
internal import MoE
internal import Workloads

/// Finds and opens the cluster profiles that commands name.
public enum ProfileLibrary {
  /// The file of a profile: a path as it stands, or `clusters/NAME.yaml` beneath the first of the
  /// folders that has it.
  /// - Throws: ``InputError`` that names all profiles.
  public static func path(of name: String, folders: [String]) throws -> String {
    if name.contains("/") || name.hasSuffix(".yaml") { return name }
    for folder in folders {
      let path = folder + "/clusters/" + name + ".yaml"
      if FileManager.default.fileExists(atPath: path) { return path }
    }
    let known = try names(folders: folders).joined(separator: ", ")
    throw InputError(
      "cluster \(InputError.excerpt(name)) is unknown, profiles are \(known); the path of a profile "
        + "(FILE.yaml) is accepted too")
  }

  /// Reads the profile of a name.
  /// - Throws: ``InputError`` that names the file, the key and what is accepted.
  public static func open(_ name: String, folders: [String]) throws -> ClusterProfile {
    let path = try path(of: name, folders: folders)
    let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
    guard size ?? 0 <= ProfileReader.largestText else {
      throw InputError(
        "cluster profile \(path) is too large, accepted are up to \(ProfileReader.largestText) bytes"
      )
    }
    let bytes = try InputFile.bytes(ofPath: path, kind: "cluster profile")
    return try ClusterProfile(
      yaml: String(decoding: bytes, as: UTF8.self), place: "cluster profile \(path)")
  }

  /// All profiles by name.
  /// - Throws: ``InputError`` when no folder has any.
  public static func names(folders: [String]) throws -> [String] {
    let names = folders.lazy.compactMap {
      try? FileManager.default.contentsOfDirectory(atPath: $0 + "/clusters")
    }.first
    guard let names else {
      throw InputError("no folder clusters/ was found; set EPSIM_HOME to the folder that holds it")
    }
    return names.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
  }
}
