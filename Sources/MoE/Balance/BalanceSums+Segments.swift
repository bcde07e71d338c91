// SPDX-License-Identifier: Apache-2.0
// epsim: a loss per segment against a loss of the whole batch.

extension BalanceSums {
  /// The mean over segments of their auxiliary loss; segments without tokens do not count.
  ///
  /// With a segment per sequence it is the sequence-level loss of DeepSeek-V2 and -V3 and of
  /// Switch in Hugging Face transformers. With a segment per micro-batch it is what
  /// data-parallel training gets if every rank multiplies f and P before anything is reduced: it
  /// asks for balance inside each micro-batch.
  /// Source: DeepSeek-V3, arXiv:2412.19437, eqs. 17-20.
  public var segmentLoss: Double {
    var (sum, count) = (0.0, 0)
    for index in 0..<segmentCount where values[index * stride] > 0 {
      sum += segment(index).auxiliaryLoss
      count += 1
    }
    return count > 0 ? sum / Double(count) : 0
  }

  /// The auxiliary loss of all segments together: f is added up (all-reduced) before the product.
  ///
  /// Experts may specialise by segment: collapsed micro-batches that are balanced together have
  /// ``segmentLoss`` up to E / K, and 1 here. Segments count by their tokens.
  /// Source: Qiu et al., arXiv:2501.11873 (global-batch load balancing).
  public var globalLoss: Double { total.auxiliaryLoss }
}
