// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim rebalance` prints.

internal import Timing

/// The comparison of both placements, and what moving between them took.
public struct RebalanceReport {
  private let record: RebalanceRecord

  public init(_ record: RebalanceRecord) { self.record = record }

  public var text: String {
    [CompareReport(record.run).text, migrationTable, relabelling, verdict]
      .filter { !$0.isEmpty }.joined(separator: "\n\n")
  }

  private var migrationTable: String {
    guard record.movedExperts > 0 else {
      return "Nothing moves: every rank holds its experts already."
    }
    let unit = Quantity.TimeUnit(fitting: record.timeUs)
    var table = TextTable([
      ("layer", .right), ("experts\nmoved", .right), ("bytes\nmoved", .right),
      ("off-node", .right), ("most into\na rank", .right), ("time\n\(unit.name)", .right),
      ("bytes / s", .right),
    ])
    for layer in record.layers {
      table.add([
        "\(layer.layer)", "\(layer.movedExperts)", Quantity.bytes(Double(layer.bytes)),
        Quantity.bytes(Double(layer.offNodeBytes)), Quantity.bytes(Double(layer.largestReceived)),
        unit.text(layer.timeUs), Self.rate(layer.bytes, layer.timeUs),
      ])
    }
    if record.layers.count > 1 {
      table.add([
        "all", "\(record.movedExperts)", Quantity.bytes(Double(record.bytes)),
        Quantity.bytes(Double(record.offNodeBytes)), "", unit.text(record.timeUs),
        Self.rate(record.bytes, record.timeUs),
      ])
    }
    return "Moving the experts, layer after layer (time of the last rank):\n\n" + table.text
  }

  private var relabelling: String {
    let (rule, asNumbered, relabelled) = (
      record.relabelling.rule, record.relabelling.movedAsNumbered,
      record.relabelling.movedRelabelled
    )
    guard asNumbered > 0 else { return "" }
    let text =
      switch rule {
      case "none":
        "Every rank gets what the placement says: \(asNumbered) experts move; with --relabel node it would be "
          + "\(record.relabelling.movedByNode ?? relabelled)."
      case "all":
        "Ranks change places first (--relabel all): \(relabelled) experts move instead of "
          + "\(asNumbered); traffic between nodes is no longer what the placement meant."
      default:
        "Ranks of a node change places first (--relabel node): \(relabelled) experts move instead "
          + "of \(asNumbered)."
      }
    return Paragraph(text, indent: 2).text
  }

  private static func rate(_ bytes: Int, _ microseconds: Double) -> String {
    microseconds > 0 ? Quantity.bytes(Double(bytes) / microseconds * 1e6) : "-"
  }

  private var verdict: String {
    let saved = record.savedUs
    let unit = Quantity.TimeUnit(fitting: max(abs(saved.median), record.timeUs))
    let move = Quantity.TimeUnit(fitting: record.timeUs).withUnit(record.timeUs)
    let interval = saved.interval.map {
      " [\(unit.text($0.lowerBound)), \(unit.text($0.upperBound))]"
    }
    let difference = "\(unit.text(saved.median))\(interval ?? " [too few steps]") \(unit.name)"
    let sentence =
      switch record.verdict {
      case .rebalance:
        "Rebalance where \(record.to) stays for more than "
          + "\(Self.steps(record.breakEvenSteps!)) steps [\(Self.steps(record.breakEvenInterval![0])),"
          + " \(Self.steps(record.breakEvenInterval![1]))]: moving took \(move), a step is then "
          + "faster by \(difference)."
      case .doNot:
        "Do not rebalance: under \(record.to) a step is slower, it saves \(difference), and moving "
          + "took \(move)."
      case .undecided:
        "Do not rebalance: no difference between the steps before and after, saved are "
          + "\(difference), and moving took \(move)."
      }
    let digest =
      switch record.digestsEqual {
      case true?: "The output is the same to the last bit before and after."
      case false?: "THE OUTPUT CHANGED."
      case nil: "The exchange adds up in another order, so bits may differ."
      }
    return [sentence, digest].map { Paragraph($0, indent: 2).text }.joined(separator: "\n")
  }

  private static func steps(_ count: Double) -> String {
    count < 1e15 ? Quantity.grouped(Int(count.rounded(.up))) : "very many"
  }
}
