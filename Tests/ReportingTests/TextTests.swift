// SPDX-License-Identifier: Apache-2.0
// epsim: tests of tables and formatted numbers.

import Reporting
import Testing

@Suite("Text")
struct TextTests {
  @Test("columns are as wide as their widest cell, numbers stand right")
  func table() {
    var table = TextTable([("case", .left), ("time\nms", .right)])
    table.add(["a", "1.5"])
    table.add(["longer", "10"])
    #expect(
      table.text == """
                time
        case      ms
        ------  ----
        a        1.5
        longer    10
        """)
  }

  @Test(
    "numbers keep three significant digits without an exponent",
    arguments: [
      (0, "0"), (0.0123, "0.0123"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"),
      (12345, "12345"), (-0.5, "-0.500"), (.infinity, "inf"), (1e-9, "0.000000"),
    ])
  func significant(value: Double, text: String) {
    #expect(Quantity.significant(value) == text)
  }

  @Test("bytes, counts and groups read as people write them")
  func units() {
    #expect(Quantity.bytes(0) == "0 B")
    #expect(Quantity.bytes(999) == "999 B")
    #expect(Quantity.bytes(1500) == "1.50 kB")
    #expect(Quantity.bytes(305e6) == "305 MB")
    #expect(Quantity.count(46_702_792_704) == "46.7B")
    #expect(Quantity.grouped(1_304_112) == "1 304 112")
    #expect(Quantity.grouped(-12) == "-12")
    #expect(Quantity.percent(0.1234) == "12.3 %")
  }

  @Test("a column of times has one unit, chosen by its values")
  func timeUnit() {
    #expect(Quantity.TimeUnit(fitting: 9_999).withUnit(9_999) == "9999 us")
    #expect(Quantity.TimeUnit(fitting: 10_000).withUnit(10_000) == "10.0 ms")
    #expect(Quantity.TimeUnit(fitting: 2e7).withUnit(2e7) == "20.0 s")
  }
}
