// SPDX-License-Identifier: Apache-2.0
// epsim: matrix products by oneDNN.

#if EPSIM_ONEDNN
  internal import CDNNLShim

  /// Throws what a `cdnnl_` function answered unless it is success.
  private func check(_ action: @autoclosure () -> String, _ status: Int32) throws(KernelError) {
    guard status != 0 else { return }
    throw KernelError(
      function: "oneDNN, " + action(), status: String(cString: cdnnl_status_text(status)))
  }

  /// Owns an engine with its stream.
  final class OneDNNEngine {
    fileprivate let handle: OpaquePointer

    init(threads: Int) throws(KernelError) {
      var created: OpaquePointer?
      try check(
        "engine with \(threads) thread(s)", cdnnl_context_create(Int32(threads), &created))
      handle = created!
    }

    deinit {
      cdnnl_context_destroy(handle)
    }

    /// The version of the library that was loaded, which may be newer than the header.
    static var version: String {
      var major: Int32 = 0
      var minor: Int32 = 0
      var patch: Int32 = 0
      cdnnl_library_version(&major, &minor, &patch)
      return "\(major).\(minor).\(patch)"
    }

    static var instructionSet: String { String(cString: cdnnl_instruction_set()) }

    static var hasNativeBF16: Bool { cdnnl_has_native_bf16() }
  }

  /// A product with one primitive, that is generated code, per row count.
  final class OneDNNProduct: ProductBackend {
    private let engine: OneDNNEngine
    private let handle: OpaquePointer

    /// - Parameter maxRows: the largest row count, and the one that the weights layout is chosen
    ///   for.
    init(
      engine: OneDNNEngine, inputSize: Int, outputSize: Int, type: ElementType, maxRows: Int
    ) throws(KernelError) {
      self.engine = engine
      var created: OpaquePointer?
      try check(
        "product of \(inputSize) to \(outputSize) in \(type)",
        cdnnl_product_create(
          engine.handle, inputSize, outputSize, type == .bf16 ? cdnnl_bf16 : cdnnl_f32, maxRows,
          maxRows, &created))
      handle = created!
    }

    deinit {
      cdnnl_product_destroy(handle)
    }

    var packedByteCount: Int { cdnnl_product_packed_size(handle) }

    func bind(_ buffer: UnsafeMutableRawPointer) throws(KernelError) -> OpaquePointer? {
      var weights: OpaquePointer?
      try check("packed weights", cdnnl_weights_create(handle, buffer, &weights))
      return weights
    }

    func unbind(_ native: OpaquePointer?) {
      cdnnl_weights_destroy(native)
    }

    func pack(_ weights: UnsafePointer<Float>, into packed: PackedWeights) throws(KernelError) {
      try check("packing of weights", cdnnl_weights_pack(handle, weights, packed.native))
    }

    func prepare(rows: Int) throws(KernelError) {
      try check("code for \(rows) rows", cdnnl_product_prepare(handle, rows))
    }

    func prefersPackedLayout(rows: Int) throws(KernelError) -> Bool {
      var same = false
      try check(
        "layout for \(rows) rows", cdnnl_product_prefers_layout(handle, rows, &same))
      return same
    }

    func multiply(
      rows: Int, x: UnsafeRawPointer, weights: PackedWeights, y: UnsafeMutablePointer<Float>
    ) throws(KernelError) {
      try check(
        "product of \(rows) rows", cdnnl_product_execute(handle, rows, x, weights.native, y))
    }
  }
#endif
