// SPDX-License-Identifier: Apache-2.0
// epsim: what a container or batch system grants this process.

internal import Foundation

/// Files of the control groups (Linux cgroups) that this process is in.
///
/// Source: Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
enum ControlGroup {
  /// Reads a file in each group that this process is in, from its own group up to the root.
  ///
  /// A limit of any of them holds for the process. Within a container the root is the container's
  /// group, and the path of the own group may not be there: what cannot be read is left out.
  /// - Parameters:
  ///   - controller: the version 1 controller; empty for version 2.
  ///   - read: reads a file of the group by its name.
  static func map<Value>(
    controller: String, _ read: (_ file: (String) -> String?) -> Value?
  ) -> [Value] {
    let root = "/sys/fs/cgroup" + (controller.isEmpty ? "" : "/" + controller)
    // Lines of /proc/self/cgroup are number:controllers:/path; version 2 has no controllers.
    let path = text("/proc/self/cgroup")?.split(separator: "\n").lazy
      .map { $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false) }
      .first {
        $0.count == 3
          && (controller.isEmpty
            ? $0[1].isEmpty : $0[1].split(separator: ",").contains(Substring(controller)))
      }
    var parts = path?[2].split(separator: "/") ?? []
    var values: [Value] = []
    while true {
      let folder = ([root] + parts.map(String.init)).joined(separator: "/")
      if let value = read({ text(folder + "/" + $0) }) { values.append(value) }
      if parts.popLast() == nil { return values }
    }
  }

  /// Cores that the quotas of version 2 allow, at least one; nil where there is none.
  static func coreQuota() -> Int? {
    map(controller: "") { file -> Int? in
      // "200000 100000" is 200 ms of every 100 ms; without a quota the first word is "max".
      let words = file("cpu.max")?.split(whereSeparator: \.isWhitespace) ?? []
      guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]), period > 0
      else { return nil }
      return max(1, quota / period)
    }.min()
  }

  /// Bytes that the groups' memory limits leave; nil where there is no limit.
  ///
  /// Pages of files that were not used lately count as free: the kernel drops them before it
  /// refuses memory.
  static func freeBytes() -> Int? {
    let unified = map(controller: "") {
      free($0, limit: "memory.max", usage: "memory.current", reclaimable: "inactive_file")
    }
    let legacy = map(controller: "memory") {
      free(
        $0, limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
        reclaimable: "total_inactive_file")
    }
    return (unified + legacy).min()
  }

  private static func free(
    _ file: (String) -> String?, limit: String, usage: String, reclaimable: String
  ) -> Int? {
    // Version 1 has no word for "no limit", only a number that no machine reaches.
    guard let limit = number(file(limit)), limit < 1 << 60, let usage = number(file(usage))
    else { return nil }
    let line = file("memory.stat")?.split(separator: "\n").first {
      $0.hasPrefix(reclaimable + " ")
    }
    let cached = line.flatMap { number(String($0.dropFirst(reclaimable.count))) } ?? 0
    return max(0, limit - max(0, usage - cached))
  }

  private static func number(_ text: String?) -> Int? {
    text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }

  private static func text(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
