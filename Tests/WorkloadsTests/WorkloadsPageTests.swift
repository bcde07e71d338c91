// SPDX-License-Identifier: Apache-2.0
// epsim: tests that the page about workloads says what the catalogue says.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct WorkloadsPageTests {
  private func page() throws -> String {
    try String(
      contentsOf: Fixtures.repository.appending(path: "docs/workloads.md"), encoding: .utf8)
  }

  @Test func everyGeneratorAndParameterIsOnThePage() throws {
    let page = try page()
    for entry in WorkloadSpec.catalogue {
      #expect(page.contains("| `\(entry.usage)` | \(entry.alias.map { "`\($0)` " } ?? "")|"))
      for parameter in entry.parameters { #expect(page.contains("`\(parameter.name)`")) }
    }
  }

  @Test func everyExampleNamesAWorkloadThatParses() throws {
    let words = try page().split(whereSeparator: \.isWhitespace)
    let examples = zip(words, words.dropFirst()).filter { $0.0 == "--workload" }.map { $0.1 }
    #expect(examples.count >= 15)
    for example in examples { _ = try WorkloadSpec(parsing: String(example)) }
  }
}
