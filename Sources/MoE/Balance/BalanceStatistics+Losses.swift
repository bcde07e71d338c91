// SPDX-License-Identifier: Apache-2.0
// epsim: balance losses per expert and per device, without their coefficients.

extension BalanceStatistics {
  /// sum_i f_i P_i with f_i = E c_i / (K T): 1 for uniform probabilities or a balanced load.
  ///
  /// The same for any K. The sequence-level loss of DeepSeek is this of one sequence.
  /// Source: Fedus et al., Switch, arXiv:2101.03961, eqs. 4-6 (K = 1); DeepSeek-V2,
  /// arXiv:2405.04434, eqs. 23-25; DeepSeek-V3, arXiv:2412.19437, eqs. 17-20; `moe_aux_loss` of
  /// Megatron-LM.
  public var auxiliaryLoss: Double {
    zip(loadShares, meanProbabilities).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// K sum_i f_i P_i: K for uniform probabilities or a balanced load.
  ///
  /// Hugging Face transformers adds up the K choices instead of averaging over them
  /// (`load_balancing_loss_func` of Mixtral), and takes f and P over all layers together: merge the
  /// sums of the layers first.
  public var auxiliaryLossSummedOverChoices: Double {
    tokenCount > 0 ? auxiliaryLoss * assignmentCount / tokenCount : 0
  }

  /// mean of logsumexp(logits)^2, which keeps logits small.
  ///
  /// Source: Zoph et al., ST-MoE, arXiv:2202.08906, eq. 5.
  public var zLoss: Double { tokenCount > 0 ? squaredLogSumExp / tokenCount : 0 }

  /// sum_d f'_d P'_d: f' is the mean of f over the device's experts, P' the sum of P over them.
  ///
  /// Balances what devices compute; which of a device's experts does it does not matter. 1 for a
  /// balanced load.
  /// Source: DeepSeek-V2, arXiv:2405.04434, eqs. 26-28.
  public var deviceLoss: Double {
    let (shares, probabilities) = (loadShares, meanProbabilities)
    return deviceTokens.indices.reduce(0) { sum, device in
      let experts = experts(ofDevice: device)
      let share = shares[experts].reduce(0, +) / Double(experts.count)
      return sum + share * probabilities[experts].reduce(0, +)
    }
  }

  /// sum_d f''_d P''_d: f''_d = D / (M T) tokens sent to device d, P'' the sum of P over its
  /// experts.
  ///
  /// Balances what devices receive, a token counting once. 1 if every token goes to M devices and
  /// each gets the same.
  /// - Parameter openDevices: M, the most devices that a token may go to; positive.
  /// Source: DeepSeek-V2, arXiv:2405.04434, eqs. 29-31.
  public func communicationLoss(openDevices: Int) -> Double {
    guard tokenCount > 0 else { return 0 }
    let probabilities = meanProbabilities
    let factor = Double(deviceTokens.count) / (Double(openDevices) * tokenCount)
    return deviceTokens.indices.reduce(0) { sum, device in
      let probability = probabilities[experts(ofDevice: device)].reduce(0, +)
      return sum + factor * deviceTokens[device] * probability
    }
  }

  /// The experts e with floor(e D / E) = d.
  private func experts(ofDevice device: Int) -> Range<Int> {
    let (experts, devices) = (counts.count, deviceTokens.count)
    func first(_ device: Int) -> Int { (device * experts + devices - 1) / devices }
    return first(device)..<first(device + 1)
  }
}
