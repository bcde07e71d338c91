// SPDX-License-Identifier: Apache-2.0
// epsim: reads a model preset (models/*.yaml).

internal import Foundation
internal import Yams

/// A model preset as it stands in `models/NAME.yaml`.
///
/// Every key is known, every number is range-checked; a key that is not known is an error.
public struct ModelFile: Sendable {
  /// Parameter counts that the model's makers state.
  public struct Published: Sendable, Equatable, Codable {
    /// All parameters; nil where only the active ones are stated.
    public var total: Double?
    /// Parameters that a token uses, as the source counts them.
    public var active: Double?
    /// Where they are stated.
    public var source: String
  }

  /// The model that the file describes.
  public let model: ModelShape
  /// Whose model it is, for lists: `DeepSeek`.
  public let family: String
  /// Keys whose values were not read in a published configuration.
  public let unverified: [String]
  /// Published counts, where there are any.
  public let published: Published?
  /// What the count of ``ModelShape/otherParameterCount`` covers.
  public let otherParameters: String?

  /// Reads the text of a preset.
  /// - Parameter place: what an error message calls the file.
  /// - Throws: ``InputError`` that names the key, the value and what is accepted.
  public init(yaml text: String, place: String) throws {
    let fields: ModelFileFields
    var node: Node?
    do {
      node = try Yams.compose(yaml: text)
      guard case .mapping(let mapping)? = node else {
        throw InputError("\(place) is not a YAML mapping of model fields")
      }
      for key in mapping.keys {
        let name = key.string ?? "?"
        guard ModelFileFields.CodingKeys(rawValue: name) != nil else {
          let known = ModelFileFields.CodingKeys.allCases.map(\.rawValue).joined(separator: ", ")
          throw InputError(
            "\(place) has the unknown key \(InputError.excerpt(name)); known are \(known)")
        }
      }
      fields = try YAMLDecoder().decode(ModelFileFields.self, from: text)
    } catch let error as InputError {
      throw error
    } catch DecodingError.dataCorrupted(let context) where context.underlyingError is UnknownWord {
      throw InputError("\(place): \(context.underlyingError!)")
    } catch {
      throw InputError("\(place) is not a model preset: \(YAMLProblem(error, in: node))")
    }
    model = try fields.shape(place: place).checked(place: place)
    family = fields.family ?? ""
    unverified = fields.unverified ?? []
    for key in unverified where ModelFileFields.CodingKeys(rawValue: key) == nil {
      throw InputError(
        "\(place): unverified names the key \(InputError.excerpt(key)), which presets do not have")
    }
    published = fields.published
    for count in [published?.total, published?.active].compactMap({ $0 }) {
      guard count.isFinite, count > 0, count < 1e18 else {
        throw InputError("\(place): published has the count \(count), accepted is above 0")
      }
    }
    otherParameters = fields.otherParameters?.what
  }
}
