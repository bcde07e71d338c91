// SPDX-License-Identifier: Apache-2.0
// epsim: how much memory this process may still take.

internal import Foundation

/// Memory that is free for a run.
enum FreeMemory {
  /// The least of what the machine has free and what its control groups leave, bytes; nil where
  /// neither is known. Local.
  static func byteCount() -> Int? {
    [machineBytes(), ControlGroup.freeBytes()].compactMap { $0 }.min()
  }

  /// Memory that the kernel says is free for new processes, less a tenth.
  private static func machineBytes() -> Int? {
    guard let text = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
      let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { return nil }
    return kibibytes * 1024 / 10 * 9
  }
}
