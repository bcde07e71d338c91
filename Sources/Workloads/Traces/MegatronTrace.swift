// SPDX-License-Identifier: Apache-2.0
// epsim: router traces of Megatron-LM, one JSON object per line.

internal import MoE

/// Reads `router_trace_rank<rank>.jsonl`, one file or a folder of them.
///
/// A line is what one layer chose in one step on one rank: `step, stage, block, layer, rank,
/// num_tokens, topk, top_indices` [num_tokens][topk], and more fields that are passed over. A step
/// of a rank becomes a sequence. Layers of multi-token prediction (`block` other than `decoder`)
/// are left out. The format lacks weights, and the number of experts unless logits were recorded
/// (`logit_shape`).
/// Source: NVIDIA/Megatron-LM, megatron/core/transformer/moe/router_trace.py.
enum MegatronTrace {
  static let prefix = "router_trace_rank"

  static func open(path: String, options: TraceReadOptions) throws -> OpenedTrace {
    let name = "trace \(path)"
    var records = MegatronRecords()
    for file in try files(path: path) {
      let bytes = try InputFile.mapped(ofPath: file, kind: "trace")
      try bytes.withBytes { try records.read($0, name: "trace \(file)") }
    }
    guard let topK = records.topK, let layers = records.layers else {
      throw InputError("\(name): there is no record of a decoder layer in it")
    }
    var notes = ["no weights in the format: every choice has 1/\(topK)"]
    notes.append("a sequence is what a rank routed in a step")
    if records.skipped > 0 {
      notes.append("left out: \(records.skipped) records of blocks other than decoder")
    }
    var experts = options.expertCount
    if experts == nil, let stated = records.expertCount {
      experts = stated
      notes.append("\(stated) experts: by logit_shape")
    }
    var numbers = layers
    if let first = options.firstLayer, first != layers[0] {
      guard first >= 0, first <= RoutingTrace.maximumExpertCount else {
        throw InputError("\(name): --first-layer \(first), accepted are 0 to 65536")
      }
      numbers = layers.map { $0 - layers[0] + first }
      notes.append("the first layer, \(layers[0]), is numbered \(first), the others after it")
    }
    let shape = try TraceShape(
      name: name, origin: .unknown,
      expertCount: experts ?? options.requireExperts(name: name), topK: topK,
      layers: numbers, tokenCount: 0,
      hasWeights: false)
    let (lengths, ids) = try records.assembled(layers: layers, topK: topK, name: name)
    return OpenedTrace(
      source: try RoutingTrace(
        shape: shape, sequenceLengths: lengths, expertIndices: ids, routingWeights: nil,
        place: TracePlace()), notes: notes)
  }

  private static func files(path: String) throws -> [String] {
    guard InputFile.isFolder(path) else { return [path] }
    let files = try InputFile.names(inFolder: path, kind: "trace").filter(isTraceFile).sorted()
    guard !files.isEmpty else {
      throw InputError("trace \(path): there is no \(prefix)RANK.jsonl in this folder")
    }
    return files.map { path + "/" + $0 }
  }

  static func isTraceFile(_ name: String) -> Bool {
    name.hasPrefix(prefix) && name.hasSuffix(".jsonl")
  }

  /// Writes one file: each sequence is a step of rank 0, longer ones than 65536 tokens take several.
  static func write(_ source: any TraceSource, toPath path: String) throws -> [String] {
    let shape = source.shape
    let output = try AtomicOutput(path: path)
    var step = 0
    try source.forEachSequence { sequence in
      for (row, layer) in shape.layers.enumerated() {
        var line =
          "{\"step\": \(step), \"stage\": \"pre_dispatch\", \"block\": \"decoder\", \"layer\": "
          + "\(layer), \"rank\": 0, \"num_tokens\": \(sequence.tokenCount), \"topk\": "
          + "\(shape.topK), \"top_indices\": ["
        for token in 0..<sequence.tokenCount {
          let start = (token * shape.layerCount + row) * shape.topK
          let ids = sequence.expertIndices[start..<start + shape.topK].map { "\($0)" }
          line += (token == 0 ? "[" : ", [") + ids.joined(separator: ", ") + "]"
        }
        try output.append(Array((line + "]}\n").utf8))
      }
      step += 1
    }
    try output.finish()
    return ["not in the format: experts, weights, origin"]
  }
}
