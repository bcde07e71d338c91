// SPDX-License-Identifier: Apache-2.0
// epsim: lets a test start processes that take signals.

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Runs `body` with no signal blocked on this thread.
///
/// The threads that tests run on block nearly all signals, and a process inherits that from the
/// thread that starts it: it would never see a SIGTERM.
func withoutBlockedSignals<Result>(_ body: () throws -> Result) rethrows -> Result {
  var none = sigset_t()
  var before = sigset_t()
  sigemptyset(&none)
  pthread_sigmask(SIG_SETMASK, &none, &before)
  defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
  return try body()
}
