// SPDX-License-Identifier: Apache-2.0
// epsim: the allocations that this process makes, where the library that counts them is preloaded.

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// The counters of `Tests/Allocations/count_allocations.c`.
public struct AllocationCounter {
  /// Says which counter an allocation made now belongs to; negative where none. It must not
  /// allocate.
  public typealias Place = @convention(c) () -> Int32

  /// What the library counts at most.
  public static let counterLimit = 1024

  private typealias Count = @convention(c) (Place?) -> Void
  private typealias Counted = @convention(c) (Int32) -> Int
  private typealias First = @convention(c) (Int32) -> UnsafePointer<CChar>

  private let count: Count
  private let counted: Counted
  private let first: First

  /// Nil where the library is not preloaded.
  public init?() {
    guard let this = dlopen(nil, RTLD_NOW), let count = dlsym(this, "epsim_count_allocations"),
      let counted = dlsym(this, "epsim_counted_allocations"),
      let first = dlsym(this, "epsim_first_allocation")
    else { return nil }
    self.count = unsafeBitCast(count, to: Count.self)
    self.counted = unsafeBitCast(counted, to: Counted.self)
    self.first = unsafeBitCast(first, to: First.self)
  }

  /// Counts what the calling thread allocates during `body`; counters start from zero.
  public func during<Result>(_ place: Place, _ body: () throws -> Result) rethrows -> Result {
    count(place)
    defer { count(nil) }
    return try body()
  }

  /// What one counter has counted.
  public func allocations(_ counter: Int) -> Int { counted(Int32(counter)) }

  /// Where the program stood at the first of them: offsets in its file, innermost first.
  public func firstCallers(_ counter: Int) -> String { String(cString: first(Int32(counter))) }
}
