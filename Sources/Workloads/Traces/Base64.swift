// SPDX-License-Identifier: Apache-2.0
// epsim: bytes as text, and back.

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// The standard alphabet of RFC 4648 with padding.
enum Base64 {
  static func encoded(_ bytes: [UInt8]) -> [UInt8] { [UInt8](Data(bytes).base64EncodedData()) }

  /// Nil for anything that is not exactly one encoding.
  static func decoded(_ text: [UInt8]) -> [UInt8]? {
    Data(base64Encoded: Data(text)).map { [UInt8]($0) }
  }
}
