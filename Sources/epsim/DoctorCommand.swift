// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim doctor`.

internal import ArgumentParser
internal import Foundation
internal import Kernels
internal import MPI
internal import MoE
internal import Reporting
internal import Timing

/// What is installed, and what is missing.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Say what this installation has, what is missing, and how to get it.",
    discussion: """
      Example:
        epsim doctor
      """)

  @Flag(help: "Print the findings as JSON on stdout, and nothing else there.")
  var json = false

  private struct Finding: Encodable {
    let what: String
    let found: String
    /// Empty where nothing is to be done.
    let advice: String
  }

  mutating func run() throws {
    let findings = [
      Self.kernels(), Self.mpi(), Self.launcher(), Self.cores(), Self.memory(), Self.clock(),
      Self.models(),
    ]
    if json {
      print(try RecordCoding.text(findings))
    } else {
      for finding in findings {
        print("\(finding.what): \(finding.found)")
        if !finding.advice.isEmpty { print("  -> \(finding.advice)") }
      }
    }
  }

  private static func kernels() -> Finding {
    do {
      let environment = try KernelContext().environment
      let bf16 = environment.supportsBF16 ? "f32 and bf16" : "f32 only"
      return Finding(
        what: "kernels",
        found: "\(environment.backend.rawValue) \(environment.backendVersion), "
          + "\(environment.instructionSet), \(bf16), rows \(environment.rowBlock)",
        advice: environment.backend == .portable
          ? "oneDNN is several times as fast: apt-get install libdnnl-dev, then build again" : "")
    } catch {
      return Finding(
        what: "kernels", found: "do not start: \(error)",
        advice: "build with EPSIM_KERNELS=portable for the portable kernels")
    }
  }

  private static func mpi() -> Finding {
    Finding(what: "MPI library", found: MPIEnvironment.libraryVersion, advice: "")
  }

  private static func launcher() -> Finding {
    let isMPICH = MPIEnvironment.libraryVersion.contains("MPICH")
    let names =
      isMPICH
      ? ["mpiexec.mpich", "mpiexec", "mpirun"] : ["mpirun.openmpi", "mpirun", "mpiexec"]
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    for name in names {
      for folder in folders where FileManager.default.isExecutableFile(atPath: "\(folder)/\(name)")
      {
        return Finding(what: "launcher", found: "\(folder)/\(name)", advice: "")
      }
    }
    return Finding(
      what: "launcher", found: "none",
      advice: "several ranks need one: apt-get install \(isMPICH ? "mpich" : "openmpi-bin")")
  }

  private static func cores() -> Finding {
    let cores = ProcessInfo.processInfo.activeProcessorCount
    return Finding(
      what: "cores", found: "\(cores)",
      advice: cores < 2 ? "runs of several ranks will be functional only, not a timing" : "")
  }

  private static func memory() -> Finding {
    let bytes = Double(ProcessInfo.processInfo.physicalMemory)
    return Finding(what: "memory", found: Quantity.bytes(bytes), advice: "")
  }

  private static func clock() -> Finding {
    Finding(
      what: "clock",
      found: "CLOCK_MONOTONIC_RAW, granularity \(MonotonicClock.measuredGranularity()) ns, "
        + "domain \(ClockDomain.current.identity)",
      advice: "")
  }

  private static func models() -> Finding {
    do {
      return Finding(
        what: "model presets", found: "\(try ModelLibrary.names().count), see 'epsim model'",
        advice: "")
    } catch {
      return Finding(
        what: "model presets", found: "none",
        advice: "set EPSIM_HOME to the folder that holds models/")
    }
  }
}
