// SPDX-License-Identifier: Apache-2.0
// epsim: emulated clusters for the tests.

import Foundation
import TestSupport

/// A cluster of this process; the script's default name stays free for a person.
enum Cluster {
  static let name = "t\(ProcessInfo.processInfo.processIdentifier)"

  static func call(_ arguments: String...) throws -> Command { try call(arguments) }

  static func call(_ arguments: [String]) throws -> Command {
    var words = arguments
    // Options belong before a program.
    words.insert(contentsOf: ["--name", name], at: words.firstIndex(of: "--") ?? words.endIndex)
    return try Command.run("scripts/emulated-cluster", words)
  }

  /// Why there can be no cluster on this machine; nil where there can.
  static let obstacle: String? = {
    do {
      let outcome = try call("with", "--nodes", "1", "--clock-offsets", "-n", "1", "--", "true")
      if outcome.exitCode == 0 { return nil }
      // Anything but "not permitted here" is for the tests to find.
      if outcome.exitCode != 3 { return nil }
      print("cluster tests are skipped: \(outcome.error)")
      return outcome.error
    } catch {
      return "\(error)"
    }
  }()

  /// What bears the cluster's name on this machine: namespaces, interfaces, files.
  static func leftovers() throws -> String {
    let found = try Command.run(
      "/bin/sh",
      [
        "-c",
        """
        ip netns list | grep "^$1-node"; ip -o link show | grep -E " $1-(br|v[0-9])"
        ls -d "${TMPDIR:-/tmp}/epsim-cluster-$1" 2>/dev/null; true
        """, "sh", name,
      ])
    return found.output
  }
}
