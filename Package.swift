// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
// epsim: a distributed expert-parallel Mixture-of-Experts simulator.

import Foundation
import PackageDescription

/// oneDNN is optional: without its header the portable kernels are the only backend.
/// `EPSIM_KERNELS=portable` builds without it even where it is installed.
let hasOneDNN: Bool = {
  if Context.environment["EPSIM_KERNELS"] == "portable" { return false }
  return ["/usr/include", "/usr/local/include", "/opt/homebrew/include"]
    .contains { FileManager.default.fileExists(atPath: $0 + "/oneapi/dnnl/dnnl.h") }
}()

/// The MPI library, by its name in pkg-config: Open MPI, or MPICH with `EPSIM_MPI=mpich`.
/// Asked for by name, because plain `mpi` changes with the system's alternatives.
let mpi: (pkgConfig: String, packages: [String]) = {
  switch Context.environment["EPSIM_MPI"] ?? "openmpi" {
  case "openmpi": return ("ompi-c", ["libopenmpi-dev", "openmpi-bin"])
  case "mpich": return ("mpich", ["libmpich-dev", "mpich"])
  case let name: fatalError("EPSIM_MPI=\(name) is unknown, accepted are openmpi and mpich")
  }
}()

/// Settings of every Swift target.
let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]
let kernelSettings = strict + (hasOneDNN ? [.define("EPSIM_ONEDNN")] : [])

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "epsim",
  products: [
    .executable(name: "epsim", targets: ["epsim"]),
    .library(name: "MPI", targets: ["MPI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // C libraries and the shims that make them importable.
    .systemLibrary(
      name: "CMPI", pkgConfig: mpi.pkgConfig, providers: [.apt(mpi.packages)]),
    .target(name: "CMPIShim", dependencies: ["CMPI"]),
    .target(name: "CKernels"),

    // The house, lowest floor first; docs/architecture.md draws it, scripts/check-imports guards it.
    .target(name: "MPI", dependencies: ["CMPIShim"], swiftSettings: strict),
    .target(
      name: "Kernels", dependencies: ["CKernels"] + (hasOneDNN ? ["CDNNLShim"] : []),
      swiftSettings: kernelSettings),
    module("Timing"),
    module("MoE", [yams]),
    module("Workloads", ["MoE"]),
    module("CostModel", ["MoE"]),
    module("Placement", ["CostModel", "Workloads", "MoE", yams]),
    module(
      "ExpertParallel",
      ["MPI", "Kernels", "Placement", "CostModel", "Workloads", "MoE", "Timing"]),
    module("Projection", ["Placement", "CostModel", "Workloads", "MoE", "Timing", yams]),
    module("Reporting", ["Projection", "Placement", "CostModel", "Workloads", "MoE", "Timing"]),
    .executableTarget(
      name: "epsim",
      dependencies: [
        "Reporting", "Projection", "ExpertParallel", "MPI", "Kernels", "Placement", "CostModel",
        "Workloads",
        "MoE", "Timing", argumentParser, yams,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "epsim-bench",
      dependencies: [
        "Reporting", "Projection", "ExpertParallel", "MPI", "Kernels", "Placement", "CostModel",
        "Workloads", "MoE", "Timing",
      ],
      path: "Benchmarks", swiftSettings: strict),

    tests("KernelsTests", ["Kernels", "CKernels"]),
    tests("TimingTests", ["Timing"]),
    tests("MoETests", ["MoE"]),
    tests("WorkloadsTests", ["Workloads", "MoE"]),
    tests("CostModelTests", ["CostModel", "MoE"]),
    tests("PlacementTests", ["Placement", "CostModel", "Workloads", "MoE"]),
    tests(
      "ProjectionTests", ["Projection", "Placement", "CostModel", "Workloads", "MoE", "Timing"]),
    // What the tests of several modules share; needs the toolchain's Testing module.
    .target(
      name: "TestSupport", dependencies: ["MPI"], path: "Tests/TestSupport", swiftSettings: strict),
    tests(
      "ReportingTests",
      ["Reporting", "Projection", "Placement", "CostModel", "Workloads", "MoE", "Timing"]),
    tests("CommandTests", ["TestSupport", "epsim"]),
    tests("MPITests", ["MPI", "TestSupport"]),
    tests(
      "ExpertParallelTests",
      [
        "ExpertParallel", "MPI", "Kernels", "Placement", "CostModel", "Workloads", "MoE", "Timing",
        "TestSupport",
      ]),
    tests("LaunchTests", ["MPI", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)

if hasOneDNN {
  package.targets += [
    .systemLibrary(name: "CDNNL", providers: [.apt(["libdnnl-dev"])]),
    .target(
      name: "CDNNLShim", dependencies: ["CDNNL"], linkerSettings: [.linkedLibrary("dnnl")]),
  ]
}
