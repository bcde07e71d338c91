// SPDX-License-Identifier: Apache-2.0
// epsim: seeded values and buffers for the kernel tests.

import Kernels
import Testing

/// splitmix64: the same values in every run.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }

  mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }

  mutating func indices(_ count: Int, below limit: Int) -> [Int32] {
    (0..<count).map { _ in Int32.random(in: 0..<Int32(limit), using: &self) }
  }
}

/// A backend and a type that it supports on this machine.
struct KernelCase: Sendable, CustomTestStringConvertible {
  let backend: Backend
  let type: ElementType

  var testDescription: String { "\(backend.rawValue) \(type.rawValue)" }

  static let all: [KernelCase] = Backend.available.flatMap { backend in
    let supportsBF16 = (try? KernelContext(backend: backend))?.environment.supportsBF16 ?? false
    return (supportsBF16 ? ElementType.allCases : [.f32]).map {
      KernelCase(backend: backend, type: $0)
    }
  }
}

/// Values as the bytes of `type`.
func bytes(_ values: [Float], as type: ElementType) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: values.count * type.byteCount) { buffer, count in
    for (i, value) in values.enumerated() {
      switch type {
      case .f32:
        UnsafeMutableRawPointer(buffer.baseAddress! + i * 4).storeBytes(of: value, as: Float.self)
      case .bf16:
        UnsafeMutableRawPointer(buffer.baseAddress! + i * 2)
          .storeBytes(of: Reference.bf16(value), as: UInt16.self)
      }
    }
    count = values.count * type.byteCount
  }
}

/// The bytes of `type` as values.
func floats(_ bytes: [UInt8], as type: ElementType) -> [Float] {
  bytes.withUnsafeBytes { buffer in
    switch type {
    case .f32: buffer.bindMemory(to: Float.self).map { $0 }
    case .bf16: buffer.bindMemory(to: UInt16.self).map(Reference.float)
    }
  }
}

/// The bits of all values: equality that tells NaN from NaN and -0 from 0.
func bits(_ values: some Sequence<Float>) -> [UInt32] { values.map(\.bitPattern) }

extension LinearProduct {
  /// y of `rows` rows of x, which starts at row `start`; room beyond y must stay untouched.
  func product(
    rows: Int, from start: Int = 0, of x: [UInt8], _ weights: PackedWeights
  ) -> [Float] {
    let guardValue: Float = 12345
    var y = [Float](repeating: guardValue, count: rows * outputSize + 64)
    x.withUnsafeBytes { x in
      // No row count reads beyond its rows, so an empty x is as good as any.
      let base = x.baseAddress ?? UnsafeRawPointer(bitPattern: 64)!
      y.withUnsafeMutableBufferPointer { y in
        multiply(
          rows: rows, x: base + start * inputSize * type.byteCount, weights: weights,
          y: y.baseAddress!)
      }
    }
    precondition(y[(rows * outputSize)...].allSatisfy { $0 == guardValue }, "y overrun")
    return Array(y[..<(rows * outputSize)])
  }

  func packed(_ weights: [Float]) throws -> PackedWeights {
    let packed = try PackedWeights(for: self)
    try pack(weights, into: packed)
    return packed
  }
}
