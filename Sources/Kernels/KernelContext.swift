// SPDX-License-Identifier: Apache-2.0
// epsim: the backend that a process computes with, tested before use.

/// A backend, ready to make products, and what it turned out to be.
///
/// Use it and all that is made from it on the thread that computes; contexts are independent.
public final class KernelContext {
  /// Backend, version, instruction set, threads and the outcome of the self-test.
  public let environment: KernelEnvironment
  let engine: KernelEngine

  /// Starts a backend and runs the self-test on row counts (about 0.1 s).
  /// - Parameter threads: threads of one product; the portable backend has one.
  /// - Throws: `KernelError` when the backend is not in this build, cannot limit its threads, or
  ///   fails a product.
  public init(backend: Backend = .preferred, threads: Int = 1) throws(KernelError) {
    engine = try KernelEngine(backend: backend, threads: threads)
    let supportsBF16 = engine.supportsBF16
    environment = KernelEnvironment(
      backend: backend, backendVersion: engine.version, instructionSet: engine.instructionSet,
      supportsBF16: supportsBF16, threads: threads,
      rowBlock: try RowBlock(selfTestOf: engine, types: supportsBF16 ? [.f32, .bf16] : [.f32]))
  }
}
