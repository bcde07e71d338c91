// SPDX-License-Identifier: Apache-2.0
// epsim: what `epsim calibrate` prints of a profile.

public import Projection

/// The numbers of a measured profile with their intervals, and how well the model fits.
public struct ProfileReport {
  private let fit: ClusterFit

  public init(_ fit: ClusterFit) { self.fit = fit }

  public var text: String {
    var numbers = TextTable([("number", .left), ("value", .right), ("95 % interval", .right)])
    for value in fit.profile.values where value.provenance == .measured {
      numbers.add([value.key, value.text, value.intervalWords])
    }
    let verdicts = fit.parts.map { "  \($0.name): \($0.verdict)" }
    return
      ([fit.profile.about, "", numbers.text, "", "How well the model fits what was measured:"]
      + verdicts).joined(separator: "\n")
  }
}
