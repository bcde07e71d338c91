// SPDX-License-Identifier: Apache-2.0
// epsim: which threads may call MPI.

internal import CMPIShim

/// Which threads of a rank may call MPI, from the most restrictive level up.
///
/// Source: MPI 3.1 section 12.4.3.
public enum ThreadLevel: Int, Comparable, Sendable {
  /// The process has one thread.
  case single
  /// Only the thread that initialised MPI calls it.
  case funneled
  /// Any thread, but never two at once.
  case serialized
  /// Any thread at any time.
  case multiple

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

  var constant: Int32 {
    switch self {
    case .single: Int32(MPI_THREAD_SINGLE)
    case .funneled: Int32(MPI_THREAD_FUNNELED)
    case .serialized: Int32(MPI_THREAD_SERIALIZED)
    case .multiple: Int32(MPI_THREAD_MULTIPLE)
    }
  }
}
