// SPDX-License-Identifier: Apache-2.0
// epsim: what the tests of routers share: running one, random logits, fixtures.

import Foundation
import MoE

/// A file of recorded cases.
private struct VectorFile<Case: Decodable>: Decodable {
  let cases: [Case]
}

/// Runs routers on arrays.
enum RouterRun {
  /// Routes rows of logits; tokens are numbered from `firstToken`.
  static func route(
    _ router: any Router, _ rows: [[Float]], bias: [Float]? = nil, firstToken: UInt64 = 0
  ) -> RoutingDecision {
    var decision = RoutingDecision(tokenCount: rows.count, topK: router.choiceWidth)
    withBatch(router, rows, bias: bias, firstToken: firstToken) {
      router.route($0, into: &decision)
    }
    return decision
  }

  /// The preferences of every token: scores and weights [E].
  static func preferences(
    _ router: any Router, _ rows: [[Float]], bias: [Float]? = nil
  ) -> [(scores: [Float], weights: [Float])] {
    rows.indices.map { token in
      var scores = [Float](repeating: .nan, count: router.expertCount)
      var weights = scores
      withBatch(router, rows, bias: bias, firstToken: 0) { batch in
        scores.withUnsafeMutableBufferPointer { scores in
          weights.withUnsafeMutableBufferPointer { weights in
            router.preferences(batch, token: token, scores: scores, weights: weights)
          }
        }
      }
      return (scores, weights)
    }
  }

  private static func withBatch(
    _ router: any Router, _ rows: [[Float]], bias: [Float]?, firstToken: UInt64,
    _ body: (RouterBatch) -> Void
  ) {
    // Garbage, so that a router which counts on zeros is found out.
    var scratch = [Float](
      repeating: .nan, count: router.scratchCount(tokenCount: rows.count))
    let logits = rows.flatMap { $0 }
    let tokens = rows.indices.map { firstToken + UInt64($0) }
    scratch.withUnsafeMutableBufferPointer { scratch in
      logits.withUnsafeBufferPointer { logits in
        tokens.withUnsafeBufferPointer { tokens in
          guard let bias else {
            return body(RouterBatch(logits: logits, tokens: tokens, scratch: scratch))
          }
          bias.withUnsafeBufferPointer { bias in
            body(RouterBatch(logits: logits, tokens: tokens, bias: bias, scratch: scratch))
          }
        }
      }
    }
  }

  /// Rows of uniform numbers in [-range, range), rounded to multiples of `step` unless it is 0.
  static func logits(
    seed: UInt64, tokens: Int, experts: Int, range: Double = 4, step: Double = 0
  ) -> [[Float]] {
    let draws = CounterRandom(seed: seed, 0x7E57)
    return (0..<tokens).map { token in
      (0..<experts).map { expert in
        let value = range * (2 * draws.unit(at: UInt64(token * experts + expert)) - 1)
        return Float(step > 0 ? (value / step).rounded() * step : value)
      }
    }
  }

  /// Decodes a file of Tests/Fixtures/router-vectors.
  static func vectors<Case: Decodable>(_ name: String, of type: Case.Type) throws -> [Case] {
    let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/router-vectors/\(name).json")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(VectorFile<Case>.self, from: Data(contentsOf: file)).cases
  }
}

extension RoutingDecision {
  /// The choices of one token.
  func chosen(_ token: Int) -> [Int32] {
    Array(expertIndices[token * topK..<(token + 1) * topK])
  }

  /// The weights of one token.
  func weights(_ token: Int) -> [Float] {
    Array(routingWeights[token * topK..<(token + 1) * topK])
  }
}
