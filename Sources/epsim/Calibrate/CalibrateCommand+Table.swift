// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim calibrate --from`: a link fitted to a table.

internal import CostModel
internal import Foundation
internal import MPI
internal import MoE
internal import Projection
internal import Reporting
internal import Workloads

extension CalibrateCommand {
  /// Fits the table of a file, on rank 0. Collective.
  func fitTable(_ path: String, on comm: borrowing Communicator) throws {
    try comm.agree(classify: Launch.exitCode) {
      try requireOnlyTableOptions()
      guard comm.size == 1 else {
        throw InputError(
          "calibrate --from fits a table and measures nothing: \(comm.size) ranks have nothing to do, "
            + "accepted is 1")
      }
      if let output { try RunSession.requireWritable(output, option: "output") }
      let rate = try lineRate.map { try ClusterProfile.bandwidth($0, option: "line-rate") }
      let bytes = try InputFile.bytes(ofPath: path, kind: "table")
      let fit = try LinkFit(
        csv: bytes, name: "table \(path)", lineRate: rate ?? .infinity, seed: seed)
      if let output {
        let fragment = try fragment(of: fit, rate, table: path)
        do {
          try OutputFile.write(Array(fragment.utf8), toPath: output)
        } catch {
          throw RunFailure("\(error)")
        }
      }
      let report = LinkFitReport(fit, table: path)
      print(json ? try report.json : report.text)
      if let output { Console.note("links of a profile: \(output)") }
    }
  }

  /// What is pasted into a profile.
  private func fragment(of fit: LinkFit, _ rate: BytesPerSecond?, table: String) throws -> String {
    let source = "epsim calibrate --from \(table): \(fit.verdict)"
    var draft = ProfileDraft(name: "fragment", about: "links fitted to a table")
    draft.setSource("table", source)
    draft.setText(["network", "between", "kind"], "as \(table) has it")
    if let rate {
      draft.set(
        ["network", "between", "line_rate"], rate.value, .assumed,
        source: "what the option --line-rate says")
    }
    do {
      // What stands in a file is published, whoever measured it.
      try draft.set(fit, of: .between, .published, source: "table")
    } catch {
      throw InputError("table \(table): \(error)")
    }
    return """
      # Links of a cluster profile (docs/clusters.md), not a whole one: replaces network.between, or
      # network.inside under that name.
      \(draft.networkFragment)
      """
  }

  /// Refuses what only a measurement has a use for.
  private func requireOnlyTableOptions() throws {
    let given: [(name: String, isGiven: Bool)] = [
      ("exchange", exchange), ("quick", quick), ("model", model != "deepseek-v2-lite"),
      ("transport", transport != "alltoallv"), ("hidden", hidden != nil), ("top-k", topK != nil),
      ("tokens-per-rank", tokensPerRank != nil), ("steps", steps != nil), ("dtype", dtype != nil),
    ]
    guard let first = given.first(where: \.isGiven) else { return }
    throw InputError("--\(first.name) has no effect with --from, which measures nothing")
  }
}
