// SPDX-License-Identifier: Apache-2.0
// epsim: tests of how workloads are written.

import MoE
import Testing
import Workloads

@Suite struct WorkloadSpecTests {
  private func generated(_ text: String) throws -> GeneratorSpec {
    guard case .generated(let spec) = try WorkloadSpec(parsing: text) else {
      throw InputError("\(text) is a trace")
    }
    return spec
  }

  @Test func generatorsAndFilesAreTold() throws {
    #expect(try generated("uniform").name == "uniform")
    #expect(try generated("zipf")["exponent"] == 1)
    #expect(try generated("zipf:1.1")["exponent"] == 1.1)
    #expect(try WorkloadSpec(parsing: "a/b") == .trace(path: "a/b"))
    #expect(try WorkloadSpec(parsing: "x.safetensors") == .trace(path: "x.safetensors"))
    #expect(try WorkloadSpec(parsing: "./zipf:1") == .trace(path: "./zipf:1"))
    let load = try WorkloadSpec(parsing: "load:a/b:c=d.csv")
    #expect(load.loadPath == "a/b:c=d.csv" && load.description == "load:a/b:c=d.csv")
    #expect(try WorkloadSpec(parsing: "zipf").loadPath == nil)
  }

  @Test func parametersHaveTheirPlaceOrTheirName() throws {
    let spec = try generated("domains:8:drift=20:alpha=0.5")
    #expect(spec["count"] == 8 && spec["alpha"] == 0.5 && spec["drift"] == 20 && spec["run"] == 64)
    #expect(try generated("domains:drift=20:count=8:alpha=0.5") == spec)
    #expect(try generated("w2") == generated("hot-rank:0.75:ranks=8"))
  }

  @Test func aDescriptionParsesToTheSameSpec() throws {
    for (text, description) in [
      ("uniform", "uniform"), ("zipf:1.1", "zipf:1.1"), ("zipf", "zipf:1.0"),
      ("w0", "balanced"), ("w0:ranks=9", "balanced:9"), ("zipf:0", "zipf:0.0"),
      ("w6:every=5:heat=0.5", "rotating:0.5:every=5"),
      ("domains:run=9:alpha=0.25", "domains:4:alpha=0.25:run=9"), ("w4", "ragged"),
    ] {
      let spec = try WorkloadSpec(parsing: text)
      #expect(spec.description == description)
      #expect(try WorkloadSpec(parsing: description) == spec)
    }
  }

  @Test func everyEntryMakesAGeneratorThatHasItsName() throws {
    for entry in WorkloadSpec.catalogue {
      #expect(!entry.meaning.isEmpty && entry.usage.hasPrefix(entry.name))
      for name in [entry.name, entry.alias].compactMap(\.self) {
        let text = entry.takesFile ? "\(name):f.csv" : name
        let load = try LoadHistogram(bytes: Array("1,2,3,4,5,6,7,8\n".utf8), name: "f")
        let source = try generator(text, experts: 8, topK: 2, layers: 1, load: load)
        #expect(source.name == (try WorkloadSpec(parsing: text).description))
        #expect(source.expertCount == 8 && source.topK == 2)
      }
      for parameter in entry.parameters {
        // The default, written out, is what nothing written means.
        let text = "\(entry.name):\(parameter.name)=\(parameter.defaultText)"
        #expect(try WorkloadSpec(parsing: text) == WorkloadSpec(parsing: entry.name))
        #expect(!parameter.meaning.isEmpty)
      }
    }
    let names = WorkloadSpec.catalogue.flatMap { [$0.name] + ($0.alias.map { [$0] } ?? []) }
    #expect(Set(names).count == names.count)
    #expect((0...7).allSatisfy { names.contains("w\($0)") })
    let trace = try WorkloadSpec(parsing: "a/b").generator(
      expertCount: 8, topK: 2, layerCount: 3, seed: 1, tokensPerStep: 5)
    #expect(trace == nil)
  }

  @Test(arguments: ["", "unifrom", "Zipf:1", "law", ":", "zipf+1", "w8", "w"])
  func unknownNamesAreAnsweredWithWhatIsAccepted(text: String) {
    expectInputError("\"\(text)\"", "uniform", "zipf[:EXPONENT]", "(w7)", ".safetensors") {
      _ = try WorkloadSpec(parsing: text)
    }
  }

  @Test(arguments: [
    "zipf:", "zipf:x", "zipf:nan", "zipf:inf", "zipf:-1", "zipf:10.5", "zipf:1e99",
    "zipf:exponent=",
  ])
  func wrongExponentsAreNamed(text: String) {
    expectInputError(text, "exponent", "from 0 to 10") { _ = try WorkloadSpec(parsing: text) }
  }

  @Test(arguments: [
    ("uniform:1", "nothing after a colon"), ("uniform:", "nothing after a colon"),
    ("zipf:1:2", "zipf[:EXPONENT]"), ("zipf:=1", "zipf[:EXPONENT]"),
    ("domains:4:0.5", "[:alpha=ALPHA]"), ("domains:4:beta=1", "\"beta=1\" does not fit"),
    ("domains:4:count=5", "count is written twice"),
    ("domains:2.5", "whole numbers from 1 to 4096"),
    ("domains:0", "\"0\""), ("domains:4:alpha=0", "from 0.001 to 1000"),
    ("domains:99999999999999999999", "from 1 to 4096"), ("w2:ranks=0", "ranks is \"0\""),
    ("w2:1.5", "heat"), ("burst:every=0", "every"), ("coactive:inside=2", "from 0 to 1"),
    ("affinity:1:branches=-1", "branches"), ("load", "a file is missing"),
    ("load:", "load:FILE"), ("domains:4::", "does not fit"),
  ])
  func wrongParametersAreNamed(text: String, words: String) {
    expectInputError(text, words) { _ = try WorkloadSpec(parsing: text) }
  }
}
