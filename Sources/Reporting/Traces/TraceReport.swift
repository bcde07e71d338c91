// SPDX-License-Identifier: Apache-2.0
// epsim: the tables and pictures of `trace inspect`.

/// Draws a trace in at most 100 columns.
public struct TraceReport: Sendable {
  private let record: TraceRecord
  private let drawing: TraceDrawing

  public init(_ record: TraceRecord, drawing: TraceDrawing) {
    self.record = record
    self.drawing = drawing
  }

  /// All parts, with empty lines between.
  public var text: String {
    [heading, heatMap, layers, fanOut, coActivation, drift].compactMap { $0 }
      .joined(separator: "\n\n")
  }

  private var heading: String {
    // A file may say anything, but it may not steer the terminal.
    func known(_ text: String) -> String {
      let isControl: (Unicode.Scalar) -> Bool = { $0.properties.generalCategory == .control }
      let shown = text.unicodeScalars.map { isControl($0) ? "?" : Character($0) }
      return text.isEmpty ? "not recorded" : String(shown)
    }
    return [
      record.name,
      "model \(known(record.model)), domain \(known(record.domain)), licence "
        + known(record.license),
      "source \(known(record.source))",
      "\(Quantity.grouped(record.tokens)) tokens in \(record.sequences) sequence"
        + (record.sequences == 1 ? "" : "s") + ", "
        + "\(record.experts) experts, top-\(record.topK), \(record.layers.count) layers from \(record.firstLayer) to "
        + "\(record.layers.last?.layer ?? record.firstLayer)"
        + (record.hasWeights ? "" : ", no weights recorded: 1/\(record.topK) stands for each"),
    ].map { Paragraph($0, indent: 2).text }.joined(separator: "\n")
  }

  private var heatMap: String {
    let perCell = TraceDrawing.expertsPerCell(record.experts)
    let title =
      "Load, a line per layer and a column per "
      + (perCell == 1 ? "expert" : "\(perCell) experts") + " (0 to \(record.experts - 1))"
    let lines = record.layers.map { layer in
      let label = "\(layer.layer)"
      return String(repeating: " ", count: max(5 - label.count, 0)) + label + " |"
        + drawing.line(layer.load) + "|"
    }
    return ([title] + lines + [drawing.legend]).joined(separator: "\n")
  }

  private var layers: String {
    var table = TextTable([
      ("layer", .right), ("expert load\nmax/mean", .right), ("", .left),
      ("busiest\nexpert", .right), ("unused\nexperts", .right), ("mean sum\nof weights", .right),
    ])
    let largest = record.layers.map(\.maxOverMean).max() ?? 0
    for layer in record.layers {
      table.add([
        "\(layer.layer)", Quantity.fixed(layer.maxOverMean, 2),
        drawing.bar(layer.maxOverMean, largest: largest, width: 40), "\(layer.busiestExpert)",
        "\(layer.unusedExperts)", Quantity.fixed(layer.meanWeightSum, 3),
      ])
    }
    return table.text
  }

  private var fanOut: String? {
    guard !record.fanOut.isEmpty else { return nil }
    var table = TextTable([
      ("ranks", .right), ("distinct ranks\nper token", .right),
      ("if all sets were\nequally likely", .right), ("ratio", .right),
    ])
    for row in record.fanOut {
      table.add([
        "\(row.ranks)", Quantity.fixed(row.mean, 3), Quantity.fixed(row.uniform, 3),
        Quantity.fixed(row.mean / row.uniform, 3),
      ])
    }
    return "Fan-out, expert e of \(record.experts) on rank floor(e R / \(record.experts))\n"
      + table.text
  }

  private var coActivation: String? {
    guard let pairs = record.coActivation else { return nil }
    var table = TextTable([
      ("experts", .right), ("tokens with both", .right), ("of all tokens", .right),
      ("lift", .right),
    ])
    for pair in pairs.strongest {
      table.add([
        pair.experts.map { "\($0)" }.joined(separator: " + "), Quantity.grouped(pair.tokens),
        Quantity.percent(Double(pair.tokens) / Double(record.tokens)),
        Quantity.fixed(pair.lift, 2),
      ])
    }
    return """
      Experts chosen together in layer \(pairs.layer); lift 1 is what their loads alone give
      \(table.text)
      \(Quantity.grouped(pairs.pairs)) pairs: mean lift \(Quantity.fixed(pairs.meanLift, 2)), \
      largest \(Quantity.fixed(pairs.maxLift, 2))
      """
  }

  private var drift: String? {
    guard record.drift.count > 1 else { return nil }
    var table = TextTable([
      ("window", .right), ("tokens", .right), ("to the window\nbefore", .right),
      ("by chance\nalone", .right), ("to the first\nwindow", .right), ("by chance\nalone", .right),
      ("", .left),
    ])
    let largest = record.drift.compactMap(\.toFirst).max() ?? 0
    for window in record.drift {
      func cell(_ value: Double?) -> String { value.map { Quantity.fixed($0, 4) } ?? "" }
      table.add([
        "\(window.window)", Quantity.grouped(window.tokens), cell(window.toPrevious),
        cell(window.noiseToPrevious), cell(window.toFirst), cell(window.noiseToFirst),
        drawing.bar(window.toFirst ?? 0, largest: largest, width: 30),
      ])
    }
    return "Drift: share of the assignments that went to other experts, mean over layers\n"
      + table.text
  }
}
