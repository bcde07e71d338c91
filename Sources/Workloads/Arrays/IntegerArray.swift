// SPDX-License-Identifier: Apache-2.0
// epsim: arrays of whole numbers as people hand them in: JSON lists, NumPy files, safetensors.

internal import MoE

/// A row-major array of whole numbers with at least one element.
///
/// What a file calls a float is accepted where it is whole, for loads are often kept as floats.
public struct IntegerArray: Sendable, Equatable {
  /// Sizes, outermost first; none is 0.
  public let shape: [Int]
  /// Product of the shape of them.
  public let values: [Int]

  /// What a reader wants: how many sizes there may be and which numbers.
  public struct Form: Sendable {
    /// Sizes that the shape may have.
    public var dimensions: ClosedRange<Int>
    /// Numbers that are allowed.
    public var accepted: ClosedRange<Int>

    public init(dimensions: ClosedRange<Int>, accepted: ClosedRange<Int>) {
      (self.dimensions, self.accepted) = (dimensions, accepted)
    }
  }

  /// The given numbers.
  /// - Precondition: as many as the shape needs, at least one.
  public init(shape: [Int], values: [Int]) {
    precondition(
      !values.isEmpty && values.count == shape.reduce(1, *),
      "\(values.count) numbers of shape \(shape)")
    (self.shape, self.values) = (shape, values)
  }

  /// Sizes and numbers that a reader found, under the name of the file and the array.
  init(shape: [Int], values: [Int], form: Form, name: String) throws {
    guard form.dimensions.contains(shape.count), !shape.contains(0) else {
      throw InputError(
        "\(name) has shape \(shape), accepted are \(form.dimensions.lowerBound) to "
          + "\(form.dimensions.upperBound) sizes of at least 1")
    }
    self.init(shape: shape, values: values)
  }

  /// One entry of the outermost size.
  public subscript(row row: Int) -> ArraySlice<Int> {
    let width = values.count / shape[0]
    return values[row * width..<(row + 1) * width]
  }

  /// The layers that the rows of a table stand for: the first list with as many layers as there are
  /// rows, or every layer from 0 to the last of a list, dense ones too.
  ///
  /// Servers that number layers through keep rows for dense layers.
  /// - Throws: `InputError` when no list fits.
  public static func layers(
    ofRows rowCount: Int, from lists: [[Int]], name: String
  ) throws -> [Int] {
    if let layers = lists.first(where: { $0.count == rowCount }) { return layers }
    let throughs = lists.compactMap { $0.max().map { $0 + 1 } }
    guard throughs.contains(rowCount) else {
      var counts: [String] = []
      for count in lists.map(\.count) + throughs where !counts.contains("\(count)") {
        counts.append("\(count)")
      }
      throw InputError(
        "\(name): \(rowCount) rows, needed is one per layer with experts or with those before "
          + "them, so \(counts.joined(separator: " or "))")
    }
    return Array(0..<rowCount)
  }
}
