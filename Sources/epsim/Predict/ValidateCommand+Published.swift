// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim validate --published`: predictions against published tables.

internal import Foundation
internal import MPI
internal import MoE
internal import Projection
internal import Reporting

extension ValidateCommand {
  /// Computes and prints all comparisons, on rank 0. Collective.
  /// - Parameter arguments: the command line, which may hold nothing else.
  func printPublished(arguments: [String], on comm: borrowing Communicator) throws {
    try comm.agree(classify: Launch.exitCode) {
      if let other = arguments.dropFirst().first(where: { !["--published", "--json"].contains($0) })
      {
        throw InputError(
          "\(InputError.excerpt(other)) has no effect with --published, accepted beside it is --json"
        )
      }
      guard comm.size == 1 else {
        throw InputError(
          "validate --published computes and runs nothing: \(comm.size) ranks have nothing to do, "
            + "accepted is 1")
      }
      let report = PublishedTableReport(try PublishedReport(folder: try Self.timings()))
      print(run.json ? try report.json : report.text)
    }
  }

  /// The folder of the published tables.
  private static func timings() throws -> String {
    let folders = Installation.folders().map { $0 + "/timings" }
    guard let folder = folders.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
      throw InputError(
        "no folder timings/ was found beside models/; set EPSIM_HOME to the folder that holds both")
    }
    return folder
  }
}
