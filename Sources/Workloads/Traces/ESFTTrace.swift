// SPDX-License-Identifier: Apache-2.0
// epsim: expert scores as the authors of ESFT publish them: a text file for each layer.

internal import MoE

/// Reads `expert_weights_<layer>.txt`, one file or a folder of them.
///
/// A line is a sequence: K expert ids for each of its tokens, one after the other, with tabs between;
/// then two tabs; then as many weights. The layer is in the file's name. The format lacks K and the
/// number of experts.
/// Source: github.com/deepseek-ai/ESFT, `results/expert_scores`.
enum ESFTTrace {
  static let prefix = "expert_weights_"

  static func open(path: String, options: TraceReadOptions) throws -> OpenedTrace {
    let name = "trace \(path)"
    let files = try Self.files(path: path, options: options)
    let topK = try options.requireTopK(name: name)
    let shape = try TraceShape(
      name: name, origin: .unknown, expertCount: options.requireExperts(name: name), topK: topK,
      layers: files.map(\.layer), tokenCount: 0, hasWeights: true)

    var lengths: [Int] = []
    var ids: [Int32] = []
    var weights: [Float] = []
    for (row, file) in files.enumerated() {
      let fileName = "trace \(file.path)"
      let bytes = try InputFile.mapped(ofPath: file.path, kind: "trace")
      let layer = try bytes.withBytes { bytes in
        var layer = ScoreLines(bytes: bytes, topK: topK, name: fileName)
        try layer.read()
        return layer
      }
      if row == 0 {
        lengths = layer.lengths
        ids = Array(repeating: 0, count: layer.ids.count * files.count)
        weights = Array(repeating: 0, count: ids.count)
      }
      guard layer.lengths == lengths else {
        let line = zip(layer.lengths, lengths).enumerated().first { $1.0 != $1.1 }?.offset
        let what =
          line.map { "line \($0 + 1) has not as many tokens" } ?? "there are not as many lines"
        throw InputError(
          "\(fileName): \(what) as in \(files[0].path), all layers need the same sequences")
      }
      for token in 0..<layer.ids.count / topK {
        let target = (token * files.count + row) * topK
        for slot in 0..<topK {
          ids[target + slot] = layer.ids[token * topK + slot]
          weights[target + slot] = layer.weights[token * topK + slot]
        }
      }
    }
    let trace = try RoutingTrace(
      shape: shape, sequenceLengths: lengths, expertIndices: ids, routingWeights: weights,
      place: TracePlace())
    return OpenedTrace(source: trace, notes: ["layers: by the names of the files"])
  }

  private struct LayerFile {
    let layer: Int
    let path: String
  }

  /// The files in the order of their layers.
  private static func files(path: String, options: TraceReadOptions) throws -> [LayerFile] {
    let name = "trace \(path)"
    guard InputFile.isFolder(path) else {
      guard let layer = layer(ofFile: path) ?? options.firstLayer else {
        throw InputError(
          "\(name): the name is not \(prefix)LAYER.txt, so add --first-layer with its layer")
      }
      return [LayerFile(layer: layer, path: path)]
    }
    var files = try InputFile.names(inFolder: path, kind: "trace").compactMap { file in
      layer(ofFile: file).map { LayerFile(layer: $0, path: path + "/" + file) }
    }
    files.sort { ($0.layer, $0.path) < ($1.layer, $1.path) }
    guard !files.isEmpty else {
      throw InputError("\(name): there is no \(prefix)LAYER.txt in this folder")
    }
    guard files.count <= RoutingTrace.maximumExpertCount else {
      throw InputError("\(name): \(files.count) files, accepted are at most 65536 layers")
    }
    for (file, next) in zip(files, files.dropFirst()) where file.layer == next.layer {
      throw InputError("\(name): layer \(file.layer) has two files")
    }
    // Checked before anything is allocated: every file must be able to hold what the first does.
    let sizes = try files.map { try InputFile.mapped(ofPath: $0.path, kind: "trace").count }
    for (file, size) in zip(files, sizes) where size < sizes[0] / 16 {
      throw InputError(
        "trace \(file.path): \(size) bytes, the first layer has \(sizes[0]), so it is cut")
    }
    return files
  }

  /// The number in `expert_weights_<layer>.txt`, nil for other names.
  static func layer(ofFile path: String) -> Int? {
    let file = path.split(separator: "/").last ?? ""
    guard file.hasPrefix(prefix), file.hasSuffix(".txt") else { return nil }
    let digits = file.dropFirst(prefix.count).dropLast(4)
    guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) })
    else { return nil }
    return Int(digits)
  }

  /// Writes a folder of one file for each layer; sequences longer than 65536 tokens take several
  /// lines.
  static func write(_ source: any TraceSource, toPath path: String) throws -> [String] {
    let shape = source.shape
    let folder = try AtomicFolder(path: path)
    var texts = Array(repeating: [UInt8](), count: shape.layerCount)
    func flush() throws {
      for (row, layer) in shape.layers.enumerated() where !texts[row].isEmpty {
        try folder.append(texts[row], to: "\(prefix)\(layer).txt")
        texts[row].removeAll(keepingCapacity: true)
      }
    }
    var pending = 0
    try source.forEachSequence { sequence in
      for row in 0..<shape.layerCount {
        let indices = (0..<sequence.tokenCount).flatMap { token in
          let start = (token * shape.layerCount + row) * shape.topK
          return start..<start + shape.topK
        }
        let ids = indices.map { "\(sequence.expertIndices[$0])" }.joined(separator: "\t")
        let weights = indices.map { "\(sequence.routingWeights[$0])" }.joined(separator: "\t")
        texts[row] += "\(ids)\t\t\(weights)\n".utf8
      }
      pending += sequence.expertIndices.count
      if pending > 4_194_304 {
        try flush()
        pending = 0
      }
    }
    try flush()
    try folder.finish()
    return ["not in the format: experts, top-k, origin"]
  }
}
