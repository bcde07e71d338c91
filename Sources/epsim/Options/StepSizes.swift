// SPDX-License-Identifier: Apache-2.0
// epsim: how many tokens the steps of a run have.

internal import MoE

/// The sizes of steps as given by `--tokens` or `--tokens-per-rank`: one, or a list that steps take
/// in turn.
struct StepSizes {
  /// The option and its value, for messages.
  let text: String
  /// In the order of the list; over all ranks, or on every one.
  private let tokens: [Int]
  private let isPerRank: Bool

  private static let largest = 1_048_576
  private static let mostSizes = 64

  /// - Throws: ``InputError`` that names the size and what is accepted.
  init(_ run: RunOptions) throws {
    if run.tokens != nil && run.tokensPerRank != nil {
      throw InputError("--tokens and --tokens-per-rank are both given, one is accepted")
    }
    isPerRank = run.tokensPerRank != nil
    let value = run.tokensPerRank ?? run.tokens ?? "1024"
    let text = "--tokens\(isPerRank ? "-per-rank" : "") \(value)"
    let words = value.split(separator: ",", omittingEmptySubsequences: false).map {
      $0.drop { $0 == " " }
    }
    guard words.count <= Self.mostSizes else {
      throw InputError("\(text) has \(words.count) sizes, accepted are up to \(Self.mostSizes)")
    }
    let tokens = try words.map { word in
      guard let count = Int(word), (1...Self.largest).contains(count) else {
        throw InputError(
          text + (words.count > 1 ? ": \"\(word)\"" : "") + ", accepted are 1 to \(Self.largest)")
      }
      return count
    }
    if let twice = tokens.indices.first(where: { tokens[..<$0].contains(tokens[$0]) }) {
      throw InputError("\(text) has \(tokens[twice]) twice, sizes must differ")
    }
    self.text = text
    self.tokens = tokens
  }

  var count: Int { tokens.count }

  /// Tokens of each size over all ranks.
  func overAllRanks(_ ranks: Int) throws -> [Int] {
    try tokens.map {
      let all = isPerRank ? $0 * ranks : $0
      guard all <= Self.largest else {
        throw InputError(
          "--tokens-per-rank makes \(all) tokens, accepted are up to \(Self.largest)")
      }
      return all
    }
  }

  /// Refuses a list.
  func requireOne() throws {
    guard count == 1 else {
      throw InputError("run takes one size, \(text) has \(count); use epsim compare")
    }
  }

  /// Refuses several sizes where something is computed from the one size of a batch.
  func requireMeaning(for cases: [CaseSpec], losses: Bool) throws {
    guard count > 1 else { return }
    func refuse(_ option: String, _ reason: String) throws {
      throw InputError("\(text) with \(option): \(reason); one size is accepted")
    }
    for spec in cases {
      if let capacity = spec.capacity {
        try refuse("--capacity \(capacity)", "a capacity is counted from the size of a batch")
      }
      if let rate = spec.biasUpdate {
        try refuse("--bias-update \(rate)", "a bias learns from steps of equal size")
      }
    }
    if losses { try refuse("--losses", "losses are those of one batch") }
  }
}
