// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim calibrate` without --exchange: the profile of a cluster.

internal import CostModel
internal import ExpertParallel
internal import Foundation
internal import Kernels
internal import MPI
internal import MoE
internal import Projection
internal import Reporting
internal import Workloads

extension CalibrateCommand {
  /// Measures, fits and writes a profile. Collective.
  func measureProfile(on comm: borrowing Communicator) throws {
    let path = output ?? "cluster.yaml"
    let files = try InputFiles(on: comm) {
      [InputFiles.Request(name: model, path: try ModelLibrary.path(of: model), kind: "model")]
    }
    let machine = try Machine(on: comm)
    let context = try comm.agree(classify: Launch.exitCode) {
      try RunSession.context(threads: 1)
    }
    let supportsBF16 =
      try comm.allReduce(Int32(context.environment.supportsBF16 ? 1 : 0), .min) == 1
    let measurement = try comm.agree(classify: Launch.exitCode) {
      try requireNoExchangeOptions()
      if comm.rank == 0 { try RunSession.requireWritable(path, option: "output") }
      guard !machine.isFunctionalOnly(threads: 1) else {
        throw InputError(
          "there are more ranks than cores (\(machine.cores)), which measures nothing; accepted are "
            + "as many ranks as cores")
      }
      let type = try RunSession.elementType(dtype, supportsBF16: supportsBF16)
      let shape = try ModelDocument(text: files.text(model), name: model).model
      try shape.requireExperts()
      let transport = try CaseSpec.value(Transport.self, transport, "transport")
      try CaseProjection.requireProjectable(transport)
      var grid = ClusterGrid(
        model: shape, topology: machine.topology, elementType: type,
        scheme: ExchangeScheme(transport: transport, wire: WireFormat(type)), seed: seed)
      if quick { grid.makeQuick() }
      let rate = try lineRate.map { try ClusterProfile.bandwidth($0, option: "line-rate") }
      if let lineRate, machine.topology.nodeCount == 1 {
        throw InputError(
          "--line-rate \(lineRate) has no effect on 1 node, it bounds what travels between nodes")
      }
      return ProfileMeasurement(
        grid: grid, machine: machine, context: context, name: Self.profileName(path),
        lineRate: rate)
    }
    guard let fit = try measurement.fit(on: comm) else { return }
    do {
      try OutputFile.write(Array(fit.profile.yaml.utf8), toPath: path)
    } catch {
      throw RunFailure("\(error)")
    }
    print(ProfileReport(fit).text)
    Console.note("cluster profile: \(path)")
  }

  /// The name of a file without its folder and ending, as far as a profile may be called so.
  private static func profileName(_ path: String) -> String {
    let name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    let accepted = name.filter { $0.isASCII && ($0.isLetter || $0.isNumber || "-_".contains($0)) }
    return accepted.isEmpty ? "cluster" : String(accepted.prefix(40))
  }

  /// Refuses what only a table of exchanges has a use for.
  private func requireNoExchangeOptions() throws {
    let given = [
      ("hidden", hidden), ("top-k", topK), ("tokens-per-rank", tokensPerRank),
      ("steps", steps.map(String.init)),
    ].first { $0.1 != nil }
    guard !json, given == nil else {
      throw InputError(
        "--\(given?.0 ?? "json") has no effect without --exchange\(given == nil ? " or --from" : "")"
      )
    }
  }

  /// Refuses what only a profile has a use for.
  func requireNoProfileOptions() throws {
    guard lineRate == nil, model == "deepseek-v2-lite", transport == "alltoallv" else {
      let name = lineRate != nil ? "line-rate" : transport != "alltoallv" ? "transport" : "model"
      throw InputError("--\(name) has no effect with --exchange")
    }
  }
}
