// SPDX-License-Identifier: Apache-2.0
// epsim: writing a trace of any length as a safetensors file, window by window.

internal import MoE

/// Writes epsim's own trace format without holding the trace.
///
/// The bytes are those of ``RoutingTrace/safetensors()``, except that a trace without recorded
/// weights gets no tensor of them.
enum SafetensorsTraceWriter {
  static func write(
    _ source: any TraceSource, origin: RoutingTrace.Origin, toPath path: String
  ) throws {
    let shape = source.shape
    let lengths = source.sequenceLengths
    var tensors: [SafetensorsFile.Tensor] = []
    var end = 0
    func add(_ name: String, _ type: SafetensorsFile.ElementType, _ sizes: [Int]) throws -> Int {
      let start = end
      var bytes = type.byteCount
      for size in sizes {
        let (product, overflow) = bytes.multipliedReportingOverflow(by: size)
        guard !overflow, product < 1 << 60 else {
          throw InputError("\(path): a tensor of shape \(sizes) is too large for a file")
        }
        bytes = product
      }
      end += bytes
      tensors.append(.init(name: name, elementType: type, shape: sizes, byteRange: start..<end))
      return start
    }
    let sizes = [shape.tokenCount, shape.layerCount, shape.topK]
    let weightsStart = shape.hasWeights ? try add("expert_weights", .f32, sizes) : nil
    let lengthsStart = try add("sequence_lengths", .i32, [lengths.count])
    let idsStart = try add("expert_ids", shape.idType, sizes)
    let header = try SafetensorsFile.encodedHeader(
      tensors: tensors, metadata: shape.metadata(origin))

    let output = try AtomicOutput(path: path)
    try output.write(header, at: 0)
    try source.forEachWindow { tokens, window in
      let first = tokens.lowerBound * shape.assignmentsPerToken
      let ids = window.expertIndices
      try output.write(
        shape.idType == .i16
          ? ids.map { Int16($0) }.littleEndianBytes() : ids.littleEndianBytes(),
        at: header.count + idsStart + first * shape.idType.byteCount)
      if let weightsStart {
        try output.write(
          window.routingWeights.map(\.bitPattern).littleEndianBytes(),
          at: header.count + weightsStart + first * 4)
      }
    }
    let stored = try lengths.map { length in
      guard let length = Int32(exactly: length) else {
        throw InputError(
          "\(path): a sequence of \(length) tokens, the format holds at most \(Int32.max)")
      }
      return length
    }
    try output.write(stored.littleEndianBytes(), at: header.count + lengthsStart)
    try output.finish()
  }
}
