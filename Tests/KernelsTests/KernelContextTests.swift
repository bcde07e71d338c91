// SPDX-License-Identifier: Apache-2.0
// epsim: tests of the backend and its self-test.

import Kernels
import Testing

@Suite struct KernelContextTests {
  @Test func theEnvironmentNamesWhatComputes() throws {
    for backend in Backend.available {
      let environment = try KernelContext(backend: backend).environment
      #expect(environment.backend == backend)
      #expect(!environment.backendVersion.isEmpty)
      #expect(!environment.instructionSet.isEmpty)
      #expect(environment.threads == 1)
    }
  }

  @Test func thePreferredBackendIsAvailable() {
    #expect(Backend.available.contains(.preferred))
    #expect(Backend.available.contains(.portable))
  }

  @Test func thePortableBackendComputesAnyRowCountExactly() throws {
    #expect(try KernelContext(backend: .portable).environment.rowBlock == .exact)
  }

  @Test func thePortableBackendRefusesBF16InOneSentence() throws {
    let context = try KernelContext(backend: .portable)
    #expect(!context.environment.supportsBF16)
    let error = #expect(throws: KernelError.self) {
      try LinearProduct(context: context, inputSize: 8, outputSize: 8, type: .bf16)
    }
    #expect(error?.description == "portable kernels: products in bf16, only f32")
  }

  @Test func thePortableBackendRefusesSeveralThreads() {
    #expect(throws: KernelError.self) { try KernelContext(backend: .portable, threads: 2) }
  }

  @Test(arguments: Backend.available) func noThreadsAreRefused(backend: Backend) {
    #expect(throws: KernelError.self) { try KernelContext(backend: backend, threads: 0) }
  }

  @Test(.enabled(if: Backend.available.contains(.oneDNN)))
  func severalThreadsKeepTheBitsOfRows() throws {
    let context = try KernelContext(backend: .oneDNN, threads: 2)
    #expect(context.environment.threads == 2)
    try expectBitsIndependentOfRowCount(
      context, .f32, rowCounts: [1, 2, 3, 8, 31, 64, 200, 256, 300])
  }

  /// oneDNN decides on its instruction set once per process, so another one needs another process.
  @Test(.enabled(if: Backend.available.contains(.oneDNN)))
  func instructionSetsThatNeedPaddingKeepTheBitsOfRows() async {
    await #expect(processExitsWith: .success) {
      try withInstructionSet("AVX2")
    }
    await #expect(processExitsWith: .success) {
      try withInstructionSet("SSE41")
    }
  }
}
