// SPDX-License-Identifier: Apache-2.0
// epsim: tests of how workloads are written.

import MoE
import Testing
import Workloads

@Suite struct WorkloadSpecTests {
  @Test func generatorsAndFilesAreTold() throws {
    #expect(try WorkloadSpec(parsing: "uniform") == .uniform)
    #expect(try WorkloadSpec(parsing: "zipf") == .zipf(exponent: 1))
    #expect(try WorkloadSpec(parsing: "zipf:1.1") == .zipf(exponent: 1.1))
    #expect(try WorkloadSpec(parsing: "a/b") == .trace(path: "a/b"))
    #expect(try WorkloadSpec(parsing: "x.safetensors") == .trace(path: "x.safetensors"))
    #expect(try WorkloadSpec(parsing: "zipf:1.1").description == "zipf:1.1")
  }

  @Test func aSpecMakesItsGenerator() throws {
    let uniform = WorkloadSpec.uniform.generator(expertCount: 8, topK: 2, layerCount: 3, seed: 1)
    #expect(uniform?.name == "uniform" && uniform?.expertCount == 8 && uniform?.topK == 2)
    let zipf = WorkloadSpec.zipf(exponent: 1.5)
      .generator(expertCount: 8, topK: 2, layerCount: 3, seed: 1)
    #expect(zipf?.name == "zipf:1.5")
    let trace = WorkloadSpec.trace(path: "a/b")
      .generator(expertCount: 8, topK: 2, layerCount: 3, seed: 1)
    #expect(trace == nil)
  }

  @Test(arguments: ["", "unifrom", "uniform:1", "Zipf:1", "law", ":", "zipf+1"])
  func unknownNamesAreAnsweredWithWhatIsAccepted(text: String) {
    expectInputError("\"\(text)\"", "uniform", "zipf:EXPONENT", ".safetensors") {
      _ = try WorkloadSpec(parsing: text)
    }
  }

  @Test(arguments: ["zipf:", "zipf:x", "zipf:nan", "zipf:inf", "zipf:-1", "zipf:10.5", "zipf:1:2"])
  func wrongExponentsAreNamed(text: String) {
    expectInputError(text, "from 0 to 10") { _ = try WorkloadSpec(parsing: text) }
  }
}
