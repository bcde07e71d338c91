// SPDX-License-Identifier: Apache-2.0
// epsim: tests that docs/clusters.md says what is shipped and what is accepted.

import CostModel
import Foundation
import MoE
import Projection
import Testing

@Suite struct ProfilePageTests {
  private let page = try! String(
    contentsOfFile: ProfileFixture.root + "/docs/clusters.md", encoding: .utf8)

  /// The line of a profile in the table of the page.
  private func line(_ name: String) throws -> String {
    let profile = try ProfileLibrary.open(name, folders: [ProfileFixture.root])
    func text(_ key: String) -> String {
      profile.values.first { $0.key == key }?.text ?? "-"
    }
    func level(_ key: String) -> String {
      let rate = text("network.\(key).line_rate")
      return text("network.\(key).bandwidth") + (rate == "-" ? "" : " of \(rate)")
    }
    func count(_ provenance: Provenance) -> Int {
      profile.values.count { $0.provenance == provenance }
    }
    let rank = profile.rankName(0, on: try profile.topology(ranks: profile.ranksPerNode))
    let cells = [
      "`\(name)`", rank, "\(profile.ranksPerDomain)", text("rank.peak.bf16"),
      text("rank.memory.size") + ", " + text("rank.memory.bandwidth"), level("inside"),
      level("between"), "\(count(.published))", "\(count(.assumed))",
    ]
    return "| " + cells.joined(separator: " | ") + " |"
  }

  @Test(arguments: ProfileFixture.shipped) func tableHasTheProfile(_ name: String) throws {
    let line = try line(name)
    #expect(page.split(separator: "\n").contains { $0 == line }, "\(line)")
  }

  /// The combinations that placements are compared on.
  @Test(arguments: ["core-1gbe", "core-100gbe", "h100-1gbe", "h100-100gbe"])
  func profilesOfTheExamplesAreRead(_ name: String) throws {
    let path = ProfileFixture.root + "/examples/clusters/\(name).yaml"
    let profile = try ProfileLibrary.open(path, folders: [])
    #expect(profile.name == name && profile.ranksPerNode == 4)
    #expect(
      profile.network.between.segments.map(\.bandwidth.value) == [
        name.hasSuffix("-1gbe") ? 119.5e6 : 7e9
      ])
    #expect(page.contains("examples/clusters"))
  }

  @Test func pageNamesEveryKeyOfTheFormat() throws {
    let words = Set(
      try ProfileFixture.complete().values.flatMap(\.path).filter {
        !$0.contains(" ") && !["small", "old", "warm"].contains($0)
      })
    #expect(words.count > 25)
    for word in words { #expect(page.contains("`\(word)`"), "\(word)") }
  }
}
