// SPDX-License-Identifier: Apache-2.0
// epsim: the memory of packed experts, for those who move it between processes.

extension ExpertFFN {
  /// Room for one packed expert, zero until its memory is filled.
  ///
  /// The layout is that of this backend on this instruction set: bytes of a process with another
  /// one mean nothing here.
  /// - Throws: `KernelError` when the backend cannot describe it.
  public func makeWeights() throws(KernelError) -> Weights { try Weights(for: self) }
}

extension ExpertFFN.Weights {
  /// The packed matrices, each in one piece; valid as long as this object is held.
  public var memory: [UnsafeMutableRawBufferPointer] {
    [gateUp, down].map {
      UnsafeMutableRawBufferPointer(start: $0.bytes, count: $0.byteCount)
    }
  }
}
