// SPDX-License-Identifier: Apache-2.0
// epsim: the cluster profiles that commands name.

internal import MoE
internal import Projection

/// Finds and opens the cluster profiles that commands name.
enum ClusterLibrary {
  /// Reads the profile of a name: a path, or `clusters/NAME.yaml` of this installation.
  static func open(_ name: String) throws -> ClusterProfile {
    try ProfileLibrary.open(name, folders: Installation.folders())
  }
}
