// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim calibrate --exchange` prints.

public import CostModel

/// The times of every engine, an exchange a row, the fastest of each marked.
public struct CalibrationReport {
  private let table: MeasuredExchanges
  private let isFunctionalOnly: Bool

  /// - Parameter isFunctionalOnly: whether there are more ranks than cores.
  public init(_ table: MeasuredExchanges, isFunctionalOnly: Bool) {
    self.table = table
    self.isFunctionalOnly = isFunctionalOnly
  }

  public var text: String {
    ([heading] + columns.map(part) + [verdict]).joined(separator: "\n\n")
  }

  private var heading: String {
    let machine = table.machine
    let remark =
      isFunctionalOnly
      ? "\nmore ranks than cores (\(machine.cores)): functional only, not a timing" : ""
    return
      "\(machine.ranks) ranks on \(machine.nodes) \(machine.nodes == 1 ? "node" : "nodes"), "
      + "\(machine.mpi.split(separator: ",").first ?? "")\nus per exchange, dispatch and combine together, median of \(table.steps), "
      + "* = fastest of its row" + remark
  }

  /// Engines that fit side by side on a terminal of 100 columns.
  private var columns: [[MeasuredExchanges.Engine]] {
    let engines = table.engines
    guard let widest = engines.map({ Self.columnHeading($0).width + 2 }).max() else { return [] }
    let perPart = max(1, 66 / max(9, widest))
    return stride(from: 0, to: engines.count, by: perPart).map {
      Array(engines[$0..<min($0 + perPart, engines.count)])
    }
  }

  private static func columnHeading(_ engine: MeasuredExchanges.Engine) -> (
    text: String, width: Int
  ) {
    let transport = engine.transport.rawValue.split(separator: "+").joined(separator: "+\n")
    let dedup = engine.dedup == .none ? "no dedup" : engine.dedup.rawValue
    let lines = [dedup] + transport.split(separator: "\n").map(String.init)
    return (lines.joined(separator: "\n"), lines.map(\.count).max() ?? 0)
  }

  private func part(_ engines: [MeasuredExchanges.Engine]) -> String {
    var columns: [(heading: String, alignment: TextTable.Alignment)] = [
      ("workload", .left), ("top-k", .right), ("row", .right), ("tokens\nper rank", .right),
    ]
    for engine in engines { columns.append((Self.columnHeading(engine).text, .right)) }
    var text = TextTable(columns)
    for series in table.series {
      for point in series.points {
        let fastest = point.fastest?.engine
        text.add(
          [series.workload, "\(series.topK)", "\(series.hidden)", "\(point.tokensPerRank)"]
            + engines.map { engine in
              let time = point.time(of: engine).map { Quantity.significant($0.us) } ?? ""
              return time + (engine == fastest ? "*" : " ")
            })
      }
    }
    return text.text
  }

  /// How often each engine is the fastest.
  private var verdict: String {
    let fastest = table.series.flatMap { $0.points.compactMap { $0.fastest?.engine } }
    var counts: [(engine: MeasuredExchanges.Engine, count: Int)] = []
    for engine in table.engines where fastest.contains(engine) {
      counts.append((engine, fastest.count { $0 == engine }))
    }
    counts.sort { $0.count > $1.count }
    let words = counts.map { engine, count in
      let dedup = engine.dedup == .none ? "no dedup" : "dedup \(engine.dedup.rawValue)"
      return "\(dedup) by \(engine.transport.rawValue) \(count)"
    }
    let points = table.series.flatMap(\.points)
    let ties = points.count { point in
      guard let least = point.fastest, let end = least.ci95?.last else { return true }
      return point.times.contains { $0.engine != least.engine && ($0.ci95?.first ?? 0) <= end }
    }
    return Paragraph(
      "Fastest, of \(fastest.count) exchanges: " + words.joined(separator: ", ")
        + ". In \(ties) of them the 95 % interval of another overlaps: no difference.", indent: 2
    ).text
  }
}
