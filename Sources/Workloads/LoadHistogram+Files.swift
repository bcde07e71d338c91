// SPDX-License-Identifier: Apache-2.0
// epsim: loads as files: CSV, JSON, NumPy, safetensors.

internal import MoE

extension LoadHistogram {
  /// What a tensor of a load may be called: SGLang's record of its router, the argument of
  /// DeepSeek's EPLB, and plain words.
  private static let names = ["logical_count", "weight", "load", "counts"]

  /// Reads a load file: whole numbers, one row per layer and one column per expert.
  ///
  /// The content tells the format: CSV of lines without a heading; a `.npy` array or a tensor
  /// `logical_count`, `weight`, `load` or `counts` of a safetensors file; JSON lists, or an object
  /// that has them under `logical_count`. Arrays may be [layers, experts], or
  /// [windows, layers, experts], which are added up.
  ///
  /// Source: SGLang, `srt/eplb/expert_location.py`, `init_by_eplb` for `logical_count`, which has
  /// rows for dense layers too; deepseek-ai/EPLB, `rebalance_experts` for `weight`.
  /// - Parameter layerLists: what the rows may stand for, such as all layers of the model or those
  ///   of the run; the first list with as many layers as there are rows is taken. Rows may
  ///   also stand for every layer from 0 to the last of a list, of which that list's are taken.
  /// - Throws: ``InputError`` when the file is not such a table.
  public init(bytes: [UInt8], name: String, layerLists: [[Int]], expertCount: Int) throws {
    let table = try Self.table(bytes, name: name)
    guard table.shape[1] == expertCount else {
      throw InputError(
        "\(name): \(table.shape[1]) columns, needed is one for each of \(expertCount) experts")
    }
    let layers = try IntegerArray.layers(ofRows: table.shape[0], from: layerLists, name: name)
    let histogram = LoadHistogram(
      layers: layers, rows: layers.indices.map { Array(table[row: $0]) })
    if layerLists.contains(layers) {
      self = histogram
    } else {
      self = try histogram.selecting(
        layers: layerLists.first { $0.max() == layers.count - 1 } ?? layers)
    }
  }

  /// Reads a load file on its own: as many experts as columns, layers numbered from 0.
  ///
  /// - Throws: ``InputError`` when the file is not such a table.
  public init(bytes: [UInt8], name: String) throws {
    let table = try Self.table(bytes, name: name)
    self.init(
      layers: Array(0..<table.shape[0]),
      rows: (0..<table.shape[0]).map { Array(table[row: $0]) })
  }

  /// [layers, experts], windows added up.
  private static func table(_ bytes: [UInt8], name: String) throws -> IntegerArray {
    let form = IntegerArray.Form(dimensions: 2...3, accepted: 0...maximumCount)
    let array: IntegerArray
    if IntegerArray.isNPY(bytes) {
      array = try IntegerArray(npy: bytes, form: form, name: name)
    } else if IntegerArray.isSafetensors(bytes) {
      array = try IntegerArray(
        SafetensorsFile(bytes: bytes, name: name), names: names, form: form, name: name)
    } else if let first = bytes.first(where: { $0 > 0x20 }),
      first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    {
      let fields = try JSONFields(bytes, name: name)
      let key = fields.isList ? nil : names[0]
      array = try fields.read(key) { reader in
        try IntegerArray(&reader, field: key ?? "the list", form: form)
      }
    } else {
      let table = try IntegerCSV(bytes: bytes, name: name, accepted: form.accepted)
      array = IntegerArray(shape: [table.rowCount, table.columnCount], values: table.values)
    }
    return try summed(array, name: name)
  }

  private static func summed(_ array: IntegerArray, name: String) throws -> IntegerArray {
    guard array.shape.count == 3 else { return array }
    var sums = Array(array[row: 0])
    for window in 1..<array.shape[0] {
      for (index, count) in array[row: window].enumerated() {
        // Both are at most the largest accepted count, so their sum fits.
        sums[index] += count
        guard sums[index] <= maximumCount else {
          throw InputError(
            "\(name): the windows of expert \(index % array.shape[2]) in row "
              + "\(index / array.shape[2]) add up to \(sums[index]), accepted are at most "
              + "\(maximumCount)")
        }
      }
    }
    return IntegerArray(shape: Array(array.shape[1...]), values: sums)
  }
}
