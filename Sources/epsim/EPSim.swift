// SPDX-License-Identifier: Apache-2.0
// epsim: the command line.

internal import ArgumentParser

/// The root of the command line.
@main
struct EPSim: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "epsim",
    abstract: "Run and compare expert-parallel Mixture-of-Experts layers over MPI ranks.",
    discussion: """
      Every MPI rank owns a shard of the experts and really performs dispatch, expert compute and
      combine. epsim says where the time goes and which expert placement is fastest.

      Examples:
        epsim run --model tiny --workload zipf:1.1
        scripts/launch -n 4 -- .build/release/epsim compare --model tiny \\
          --workload examples/traces/deepseek-v2-lite-law.safetensors \\
          --placement contiguous,lpt,eplb+8
        epsim traffic --workload examples/traces/deepseek-v2-lite-law.safetensors \\
          --ranks 16 --nodes 2 --placement contiguous,eplb+16
        epsim model deepseek-v3 --ranks 64
      """,
    version: version,
    subcommands: [
      RunCommand.self, CompareCommand.self, CalibrateCommand.self, ValidateCommand.self,
      ProjectCommand.self,
      PlaceCommand.self, RebalanceCommand.self,
      TrafficCommand.self, TraceCommand.self, ModelCommand.self, DoctorCommand.self,
    ])

  static func main() {
    Launch.start(Array(CommandLine.arguments.dropFirst()))
  }
}
