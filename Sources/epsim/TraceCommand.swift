// SPDX-License-Identifier: Apache-2.0
// epsim: `epsim trace`.

internal import ArgumentParser
internal import Foundation
internal import MoE
internal import Reporting
internal import Workloads

/// Looks into routing traces.
struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "Look into routing traces.",
    subcommands: [TraceInspectCommand.self])
}

/// What a trace holds.
struct TraceInspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Check a trace and print what it holds, with the load of each layer.",
    discussion: """
      Example:
        epsim trace inspect examples/traces/deepseek-v2-lite-law.safetensors
      """)

  @Argument(help: "Trace (.safetensors).")
  var path: String

  @Flag(help: "Print the figures as JSON on stdout, and nothing else there.")
  var json = false

  private struct Record: Encodable {
    struct Layer: Encodable {
      let layer: Int
      let maxOverMean: Double
      let unusedExperts: Int
      let busiestExpert: Int
      let meanWeightSum: Double
    }
    let name: String
    let model: String
    let domain: String
    let source: String
    let license: String
    let tokens: Int
    let sequences: Int
    let experts: Int
    let topK: Int
    let firstLayer: Int
    let layers: [Layer]
  }

  mutating func run() throws {
    let trace = try RoutingTrace(
      file: SafetensorsFile(
        bytes: InputFile.bytes(ofPath: path, kind: "trace"), name: "trace \(path)"),
      name: "trace \(path)")
    let record = Self.record(trace)
    if json {
      print(try RecordCoding.text(record))
      return
    }
    var table = TextTable([
      ("layer", .right), ("expert load max/mean", .right), ("busiest expert", .right),
      ("unused experts", .right), ("mean sum of weights", .right),
    ])
    for layer in record.layers {
      table.add([
        "\(layer.layer)", Quantity.fixed(layer.maxOverMean, 2), "\(layer.busiestExpert)",
        "\(layer.unusedExperts)", Quantity.fixed(layer.meanWeightSum, 3),
      ])
    }
    print(
      """
      \(record.name)
      model \(record.model), domain \(record.domain), licence \(record.license)
      source \(record.source)
      \(Quantity.grouped(record.tokens)) tokens in \(record.sequences) sequences, \
      \(record.experts) experts, top-\(record.topK), layers \(record.firstLayer)-\
      \(record.firstLayer + record.layers.count - 1)

      \(table.text)
      """)
  }

  private static func record(_ trace: RoutingTrace) -> Record {
    let load = LoadHistogram(trace: trace, tokens: 0..<trace.tokenCount)
    let mean = Double(trace.tokenCount * trace.topK) / Double(trace.expertCount)
    let layers = trace.layers.enumerated().map { row, layer in
      let counts = Array(load.row(row))
      let busiest = counts.indices.max { counts[$0] < counts[$1] }!
      let stride = trace.layerCount * trace.topK
      var weights = 0.0
      for token in 0..<trace.tokenCount {
        let start = token * stride + row * trace.topK
        for index in start..<start + trace.topK { weights += Double(trace.routingWeights[index]) }
      }
      return Record.Layer(
        layer: layer, maxOverMean: Double(counts[busiest]) / mean,
        unusedExperts: counts.count { $0 == 0 }, busiestExpert: busiest,
        meanWeightSum: weights / Double(trace.tokenCount))
    }
    return Record(
      name: trace.name, model: trace.origin.model, domain: trace.origin.domain,
      source: trace.origin.source, license: trace.origin.license, tokens: trace.tokenCount,
      sequences: trace.sequenceLengths.count, experts: trace.expertCount, topK: trace.topK,
      firstLayer: trace.firstLayer, layers: layers)
  }
}
