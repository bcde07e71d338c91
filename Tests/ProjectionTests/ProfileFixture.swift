// SPDX-License-Identifier: Apache-2.0
// epsim: cluster profiles for tests.

import Foundation
import MoE
import Projection
import Testing

enum ProfileFixture {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  static let shipped = try! ProfileLibrary.names(folders: [root])

  /// A profile that uses every key of the format.
  static let text = try! String(
    contentsOfFile: root + "/Tests/Fixtures/clusters/complete.yaml", encoding: .utf8)

  static func complete() throws -> ClusterProfile {
    try ClusterProfile(yaml: text, place: "complete.yaml")
  }

  /// The sentence with which a profile is refused.
  static func refusal(of text: String) throws -> String {
    let error = #expect(throws: InputError.self) {
      try ClusterProfile(yaml: text, place: "bad.yaml")
    }
    return try #require(error).description
  }

  /// The complete profile with one text replaced, which must be in it once.
  static func changed(_ old: String, _ new: String) throws -> String {
    try #require(text.components(separatedBy: old).count == 2, "\(old)")
    return text.replacingOccurrences(of: old, with: new)
  }
}
