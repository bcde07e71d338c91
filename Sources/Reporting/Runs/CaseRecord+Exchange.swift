// SPDX-License-Identifier: Apache-2.0
// epsim: waiting and transfer as tables and sentences show them.

extension CaseRecord {
  /// Waiting or transfer of dispatch and combine together, mean over ranks.
  func bothExchanges(_ part: KeyPath<ExchangeTime, Double>) -> Double {
    dispatchUs[keyPath: part] + combineUs[keyPath: part]
  }
}

extension CaseRecord.ExchangeTime {
  /// Waiting or transfer in a table: below the clocks' error it is no number.
  func text(
    _ part: KeyPath<CaseRecord.ExchangeTime, Double>, _ unit: Quantity.TimeUnit
  ) -> String {
    let value = self[keyPath: part]
    return value == 0 || value > error ? unit.text(value) : "<" + unit.text(error)
  }
}
