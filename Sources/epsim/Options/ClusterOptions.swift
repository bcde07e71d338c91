// SPDX-License-Identifier: Apache-2.0
// epsim: the options that say what layers cost on the ranks of a launch.

internal import ArgumentParser
internal import MoE

/// The profile of the ranks, and how long placements may be searched by it.
struct ClusterOptions: ParsableArguments {
  @Option(
    help: """
      Profile of these ranks, a name (clusters/NAME.yaml) or the path of a file: placements that \
      need prices of a layer, such as search and auto, are chosen by it for every case, and \
      steps are predicted by it.
      """)
  var cluster: String?

  @Option(
    parsing: .unconditional,
    help: "Seconds that a placement which is chosen by --cluster may take. Default: 10.")
  var maxSeconds: Double?

  /// - Throws: ``InputError`` for seconds out of range, and for those that have no effect.
  func checkSeconds(for cases: [CaseSpec]) throws {
    guard let maxSeconds else { return }
    guard (0...86_400).contains(maxSeconds) else {
      throw InputError("--max-seconds \(shortNumber(maxSeconds)), accepted are 0 to 86400")
    }
    guard cases.contains(where: \.placement.needsPrices) else {
      throw InputError(
        "--max-seconds \(shortNumber(maxSeconds)) has no effect without a placement that searches, "
          + "such as --placement auto")
    }
  }
}
