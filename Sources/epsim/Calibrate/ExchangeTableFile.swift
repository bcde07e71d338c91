// SPDX-License-Identifier: Apache-2.0
// epsim: the exchange table of a run.

internal import CostModel
internal import MPI
internal import MoE

/// The table that `--exchange-table` names.
enum ExchangeTableFile {
  /// What to read; nothing where no table is named.
  static func requests(_ path: String?) -> [InputFiles.Request] {
    path.map { [InputFiles.Request(name: $0, path: $0, kind: "exchange table")] } ?? []
  }

  /// Parses the table of a run.
  ///
  /// - Throws: ``InputError`` where it is none, or of other ranks.
  static func table(
    _ path: String?, files: InputFiles, topology: Topology
  ) throws -> MeasuredExchanges? {
    guard let path else { return nil }
    let table = try MeasuredExchanges(bytes: files.bytes(path), name: path)
    if let difference = table.difference(to: topology) {
      throw InputError(
        "--exchange-table \(path) does not fit: \(difference); measure one with epsim calibrate "
          + "--exchange on these ranks")
    }
    return table
  }

  /// What is different and may matter; nil where nothing is.
  static func remark(_ table: MeasuredExchanges, hosts: [String]) -> String? {
    let here = Set(hosts).sorted()
    if table.machine.mpi != MPIEnvironment.libraryVersion {
      return "the exchange table was measured with \(table.machine.mpi), this run uses "
        + MPIEnvironment.libraryVersion
    }
    guard table.machine.hosts != here else { return nil }
    return "the exchange table was measured on \(table.machine.hosts.joined(separator: ", ")), "
      + "this run is on \(here.joined(separator: ", "))"
  }
}
