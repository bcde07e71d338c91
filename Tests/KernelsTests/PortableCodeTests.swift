// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the C kernels that Swift reaches only through others.

import CKernels
import Foundation
import Testing

@Suite struct PortableCodeTests {
  /// Every instruction set that this CPU has, not only the best.
  private static let instructionSets = (0...ck_best_isa().rawValue).map { ck_isa(rawValue: $0) }

  @Test(arguments: instructionSets.indices) func everyInstructionSetMultiplies(index: Int) {
    let isa = Self.instructionSets[index]
    var random = SeededGenerator(seed: 40)
    for (k, n) in [(1, 1), (5, 3), (256, 32), (257, 33), (600, 70)] {
      let (w, x) = (random.floats(k * n), random.floats(40 * k))
      let expected = Reference.product(
        x.map(Double.init), w.map(Double.init), rows: 40, inputSize: k, outputSize: n)
      let packed = UnsafeMutablePointer<Float>.aligned(ck_gemm_packed_count(isa, k, n))
      let scratch = UnsafeMutablePointer<Float>.aligned(ck_gemm_scratch_count(40, k))
      defer {
        packed.deallocate()
        scratch.deallocate()
      }
      ck_gemm_pack(isa, k, n, w, packed)
      var whole = [Float](repeating: 9, count: 40 * n)
      ck_gemm(isa, 40, k, n, x, packed, scratch, &whole)
      for i in whole.indices {
        let bound = expected.magnitude[i] * Double(k + 1) * 0x1p-24
        #expect(abs(Double(whole[i]) - expected.y[i]) <= bound)
      }
      for rows in 0...39 {
        var y = [Float](repeating: 9, count: rows * n + 1)
        ck_gemm(isa, rows, k, n, x, packed, scratch, &y)
        #expect(bits(y) == bits(whole[..<(rows * n)] + [9]), "\(rows) rows of \(k) to \(n)")
      }
    }
  }

  @Test func instructionSetsHaveDifferentNames() {
    let names = Self.instructionSets.map { String(cString: ck_isa_name($0)) }
    #expect(Set(names).count == names.count)
  }

  private func swiglu(_ gate: [Float], _ up: [Float]) -> [Float] {
    var result = [Float](repeating: 0, count: gate.count)
    ck_swiglu_f32(1, gate.count, gate + up, &result)
    return result
  }

  @Test func theActivationMatchesDouble() {
    let gate = stride(from: Float(-86), through: 90, by: 0.0371).map { $0 } + [1e-20, -1e-20]
    let result = swiglu(gate, [Float](repeating: 1, count: gate.count))
    for (x, y) in zip(gate, result) {
      let expected = Reference.silu(Double(x))
      #expect(abs(Double(y) - expected) <= 4 * 0x1p-24 * abs(expected), "silu(\(x))")
    }
  }

  @Test func theActivationOfSpecialValuesIsAsDocumented() {
    let ones = [Float](repeating: 1, count: 6)
    let result = swiglu([-.infinity, .infinity, 0, -88, -1e30, 1e30], ones)
    #expect(result == [0, .infinity, 0, 0, 0, 1e30])
    #expect(result[0].sign == .minus)
    #expect(
      swiglu([.nan, 1, 0, -.infinity], [1, .nan, .infinity, .infinity])
        .allSatisfy { $0.isNaN })
  }

  /// GELU's argument loses bits to a cube, so its bound is that of e^-z for large z.
  @Test func geluMatchesDoubleAndItsLimits() {
    let gate = stride(from: Float(-20), through: 20, by: 0.0371).map { $0 }
    let limits: [Float] = [-.infinity, .infinity, -1e30, 1e30, 0, .nan]
    var result = [Float](repeating: 0, count: gate.count + limits.count)
    let gateUp = gate + limits + [Float](repeating: 1, count: result.count)
    ck_geglu_f32(1, result.count, gateUp, &result)
    for (x, y) in zip(gate, result) {
      let expected = Reference.gelu(Double(x))
      #expect(abs(Double(y) - expected) <= 1e-5 * abs(expected) + 1e-9, "gelu(\(x))")
    }
    #expect(Array(result.suffix(6).dropLast()) == [0, .infinity, 0, 1e30, 0])
    #expect(result.last!.isNaN)
  }

  @Test func reluCutsNegativeValuesAndKeepsNaN() {
    let up: [Float] = [-.infinity, -3, 0, 0.5, 3, .infinity, .nan]
    var (plain, squared) = (up, up)
    ck_relu_f32(up.count, up, &plain)
    ck_relu2_f32(up.count, up, &squared)
    #expect(plain.dropLast() == [0, 0, 0, 0.5, 3, .infinity] && plain.last!.isNaN)
    #expect(squared.dropLast() == [0, 0, 0, 0.25, 9, .infinity] && squared.last!.isNaN)
    var narrow = [UInt16](repeating: 0, count: up.count)
    ck_relu_bf16(up.count, up, &narrow)
    #expect(narrow == plain.map(Reference.bf16))
    ck_relu2_bf16(up.count, up, &narrow)
    #expect(narrow == squared.map(Reference.bf16))
  }

  @Test func theActivationInBF16IsTheRoundedOne() {
    var random = SeededGenerator(seed: 41)
    for f in [1, 15, 16, 17, 100] {
      let gateUp = random.floats(3 * 2 * f, in: -8...8)
      var wide = [Float](repeating: 0, count: 3 * f)
      var narrow = [UInt16](repeating: 0, count: 3 * f + 1)
      ck_swiglu_f32(3, f, gateUp, &wide)
      ck_swiglu_bf16(3, f, gateUp, &narrow)
      #expect(narrow == wide.map(Reference.bf16) + [0])
    }
  }
}

extension UnsafeMutablePointer<Float> {
  fileprivate static func aligned(_ count: Int) -> Self {
    UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * 4, alignment: 64)
      .bindMemory(to: Float.self, capacity: count)
  }
}
