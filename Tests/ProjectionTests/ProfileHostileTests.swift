// SPDX-License-Identifier: Apache-2.0
// epsim: tests that no text crashes the reader of profiles or keeps it busy.

import MoE
import Projection
import Testing

@Suite struct ProfileHostileTests {
  /// Refused in one sentence, or read; then it is read from what is written as well.
  private func outcome(_ text: String) -> String? {
    do {
      let profile = try ClusterProfile(yaml: text, place: "hostile.yaml")
      #expect(try ClusterProfile(yaml: profile.yaml, place: "written") == profile, "\(text)")
      return nil
    } catch let error as InputError {
      return error.description
    } catch {
      Issue.record("\(error)")
      return nil
    }
  }

  @Test func cutAnywhereIsRefusedInOneSentence() throws {
    let bytes = Array(ProfileFixture.text.utf8)
    var accepted = 0
    for length in 0..<bytes.count {
      let text = String(decoding: bytes[..<length], as: UTF8.self)
      if let sentence = outcome(text) {
        #expect(!sentence.contains("\n"), "\(length): \(sentence)")
      } else {
        accepted += 1
      }
    }
    // Nothing but the end of the last source may be missing: its table is one that numbers need.
    #expect(accepted <= 40, "\(accepted)")
  }

  @Test func changedBytesNeverCrash() {
    let bytes = Array(ProfileFixture.text.utf8)
    let marks = Array("*&![]{}:,-?|>%@`\"'#\n\t\0\u{7f} 0e.~".utf8) + [0xff, 0xc3]
    for trial in 0..<600 {
      var changed = bytes
      for draw in 0...(trial % 3) {
        let random = CounterRandom(seed: 6).bits(at: UInt64(trial * 4 + draw))
        changed[Int(random % UInt64(bytes.count))] =
          marks[
            Int((random >> 32) % UInt64(marks.count))]
      }
      if let sentence = outcome(String(decoding: changed, as: UTF8.self)) {
        #expect(!sentence.contains("\n"), "\(sentence)")
      }
    }
  }

  @Test func hugeTextsAreRefusedUnread() throws {
    let text = ProfileFixture.text + "#" + String(repeating: "x", count: 1 << 20)
    #expect(try #require(outcome(text)).contains("bytes, accepted are up to 262144"))
  }

  @Test func deepTextsAreRefused() {
    for depth in [10, 999, 1001, 100_000] {
      for (open, close) in [("[", "]"), ("{a: ", "}"), ("{[", "]: 1}"), ("- ", ""), ("? ", "")] {
        let text =
          "schema: epsim-cluster/1\nname: "
          + String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
        #expect(outcome(text) != nil)
      }
    }
  }

  @Test func aliasesAreRefusedBeforeTheyUnfold() throws {
    var bomb = "schema: epsim-cluster/1\na0: &a0 [x, x, x, x, x, x, x, x]\n"
    for level in 1...30 {
      let alias = "*a\(level - 1)"
      bomb +=
        "a\(level): &a\(level) [\(Array(repeating: alias, count: 8).joined(separator: ", "))]\n"
    }
    bomb += "? *a30\n: 1\n"
    #expect(try #require(outcome(bomb)).contains("line 3 refers to another place by *"))
    for form in ["rank: *x", "rank:\n  *x", "- *x", "{a: 1, \"b\":*x}", "? *x", "[*x]", "\r*x"] {
      #expect(try #require(outcome(form)).contains("refers to another place"), "\(form)")
    }
  }

  @Test func whatIsNoMappingIsNoProfile() throws {
    for text in ["", "#", "1", "[]", "null", "- a", "\u{0}", "\u{FEFF}", "---\n---\n"] {
      #expect(try #require(outcome(text)).hasPrefix("hostile.yaml"), "\(text)")
    }
  }

  @Test func longTextsAreShortenedInErrors() throws {
    let text = try ProfileFixture.changed(
      "value: 85 %", "value: " + String(repeating: "9", count: 5000) + " %")
    #expect(try #require(outcome(text)).count < 300)
    let name = try ProfileFixture.changed(
      "overlap:", String(repeating: "k", count: 900) + ":")
    #expect(try #require(outcome(name)).count < 300)
  }
}
