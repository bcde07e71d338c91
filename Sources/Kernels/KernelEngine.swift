// SPDX-License-Identifier: Apache-2.0
// epsim: a backend, ready to make products.

internal import CKernels

/// A backend with whatever it needs once per process.
enum KernelEngine {
  case portable(ck_isa)
  #if EPSIM_ONEDNN
    case oneDNN(OneDNNEngine)
  #endif

  init(backend: Backend, threads: Int) throws(KernelError) {
    guard threads >= 1 else {
      throw KernelError(function: backend.rawValue, status: "\(threads) threads, at least 1")
    }
    switch backend {
    case .portable:
      guard threads == 1 else {
        throw KernelError(function: "portable kernels", status: "\(threads) threads, only 1")
      }
      self = .portable(ck_best_isa())
    case .oneDNN:
      #if EPSIM_ONEDNN
        self = .oneDNN(try OneDNNEngine(threads: threads))
      #else
        throw KernelError(function: "onednn", status: "not in this build (libdnnl-dev was absent)")
      #endif
    }
  }

  var version: String {
    switch self {
    case .portable: "1"
    #if EPSIM_ONEDNN
      case .oneDNN: OneDNNEngine.version
    #endif
    }
  }

  var instructionSet: String {
    switch self {
    case .portable(let isa): String(cString: ck_isa_name(isa))
    #if EPSIM_ONEDNN
      case .oneDNN: OneDNNEngine.instructionSet
    #endif
    }
  }

  /// Without native instructions oneDNN emulates bf16, slower than f32, or refuses it.
  var supportsBF16: Bool {
    switch self {
    case .portable: return false
    #if EPSIM_ONEDNN
      case .oneDNN:
        guard OneDNNEngine.hasNativeBF16 else { return false }
        return (try? makeProduct(inputSize: 64, outputSize: 64, type: .bf16, maxRows: 32)) != nil
    #endif
    }
  }

  func makeProduct(
    inputSize: Int, outputSize: Int, type: ElementType, maxRows: Int
  ) throws(KernelError) -> any ProductBackend {
    switch self {
    case .portable(let isa):
      guard type == .f32 else {
        throw KernelError(function: "portable kernels", status: "products in \(type), only f32")
      }
      return PortableProduct(
        instructionSet: isa, inputSize: inputSize, outputSize: outputSize, maxRows: maxRows)
    #if EPSIM_ONEDNN
      case .oneDNN(let engine):
        return try OneDNNProduct(
          engine: engine, inputSize: inputSize, outputSize: outputSize, type: type,
          maxRows: maxRows)
    #endif
    }
  }
}
