// SPDX-License-Identifier: Apache-2.0
// epsim: tests of where numbers come from.

import Projection
import Testing

@Suite struct ProvenanceTests {
  @Test func profilesNameItInOneWord() {
    #expect(Provenance(rawValue: "measured") == .measured)
    #expect(Provenance(rawValue: "guessed") == nil)
  }
}
