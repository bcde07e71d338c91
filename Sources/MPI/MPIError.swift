// SPDX-License-Identifier: Apache-2.0
// epsim: a failed MPI call as a typed error.

internal import CMPIShim

/// A failed MPI call: the function, its code and class, and the MPI library's own text.
///
/// After a failed collective the ranks no longer agree on anything, so the job is over: print the
/// error and call ``MPIEnvironment/abort(code:)``; do not try to finalise.
/// Source: MPI 3.1 section 8.4 (error codes and classes).
public struct MPIError: Error, Equatable, CustomStringConvertible {
  /// Name of the C function, for example `MPI_Send`.
  public let function: String
  /// What the function returned.
  public let code: Int
  /// Class of the code: one of the constants `MPI_ERR_...` of the standard.
  public let errorClass: Int
  /// One line: the name of the class and the library's text for the code, or our own text for a
  /// count that does not fit and for shared memory that is not there.
  public let message: String

  /// `MPI_Send: MPI_ERR_RANK: invalid rank`.
  public var description: String { "\(function): \(message)" }

  /// The count reached neither the network nor memory: it exceeds what a C `int` holds.
  public var isCountOverflow: Bool { errorClass == Int(MPI_ERR_COUNT) }

  init(function: StaticString, code: Int32) {
    self.function = "\(function)"
    self.code = Int(code)
    var errorClass: Int32 = 0
    // int MPI_Error_class(int errorcode, int *errorclass)
    MPI_Error_class(code, &errorClass)
    self.errorClass = Int(errorClass)
    self.message = MPIError.line(ofClass: errorClass, text: MPIError.text(of: code))
  }

  init(function: StaticString, countOverflow count: Int) {
    self.function = "\(function)"
    code = Int(MPI_ERR_COUNT)
    errorClass = Int(MPI_ERR_COUNT)
    message = "count \(count) is not in 0 ... \(Int32.max)"
  }

  init(function: StaticString, noMemory text: String) {
    self.function = "\(function)"
    code = Int(MPI_ERR_NO_MEM)
    errorClass = Int(MPI_ERR_NO_MEM)
    message = text
  }

  private static func text(of code: Int32) -> String {
    let capacity = Int(MPI_MAX_ERROR_STRING)
    return String(unsafeUninitializedCapacity: capacity) { bytes in
      bytes.withMemoryRebound(to: CChar.self) { text in
        var length: Int32 = 0
        // int MPI_Error_string(int errorcode, char *string, int *resultlen)
        guard MPI_Error_string(code, text.baseAddress, &length) == MPI_SUCCESS else { return 0 }
        return min(max(0, Int(length)), capacity)
      }
    }
  }
}

/// Throws unless an MPI function returned success.
@inline(__always)
func check(_ function: StaticString, _ code: Int32) throws(MPIError) {
  guard code == MPI_SUCCESS else { throw MPIError(function: function, code: code) }
}

/// The only way from `Int` to a count, displacement or rank of MPI 3.
/// - Throws: an ``MPIError`` with ``MPIError/isCountOverflow`` for negative or 2^31 and more.
@inline(__always)
func narrow(_ function: StaticString, _ count: Int) throws(MPIError) -> Int32 {
  guard count >= 0, let narrowed = Int32(exactly: count) else {
    throw MPIError(function: function, countOverflow: count)
  }
  return narrowed
}
