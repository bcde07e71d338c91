// SPDX-License-Identifier: Apache-2.0
// epsim: memory that the ranks of one machine read and write directly.

internal import CMPIShim

/// Memory of the ranks of one machine, a segment per rank, that all of them read and write.
///
/// Segments start on pages of their own, filled with zeros by their owner: the pages lie in the
/// owner's memory node. What one rank writes another may read after a ``SharedFlag`` or a
/// collective said so. Each process has its own addresses: hand over offsets, never pointers.
///
/// Where it lies: Open MPI 4.1 and MPICH 4.0 map a file in `/dev/shm`, deleted at once (without
/// write access there: the session folder, or `/tmp`); a single rank of Open MPI uses its heap.
/// Such a file has a size before it has pages. Where the file system is too small, Open MPI fails on
/// rank 0 and leaves the others waiting, and MPICH succeeds and dies with SIGBUS at the first touch;
/// containers often give `/dev/shm` 64 MiB. So the ranks compare what they need with what is free
/// before they allocate, and again when they touch: Linux 5.14 and newer report what would be a
/// SIGBUS.
///
/// Freeing is collective: let every rank reach the end of the scope, or ``abandon()`` it. Not
/// `Sendable`.
/// Source: MPI 3.1 sections 11.2.3 (MPI_Win_allocate_shared) and 11.4 (the unified memory model).
public final class SharedMemory {
  /// Index of this rank among those that share the memory.
  public let rank: Int
  /// Segments: the ranks that share the memory.
  public let segmentCount: Int

  private var window: cmpi_window
  private var isAbandoned = false
  private let segments: [UnsafeMutableRawBufferPointer]

  /// Allocates a segment of `byteCount` bytes for this rank and maps those of the others.
  ///
  /// Collective: every rank of `node`, with any number of bytes each, 0 included.
  /// - Parameters:
  ///   - byteCount: bytes of this rank's segment.
  ///   - node: ranks of one machine, as ``Communicator/splitShared()`` makes it, or a part of them.
  ///     Parts that allocate at the same time do not see what the others are about to take.
  /// - Throws: MPI_ERR_NO_MEM on every rank where the segments do not fit; MPI_ERR_RMA_SHARED where
  ///   the ranks do not share memory.
  /// - Precondition: `byteCount` is not negative.
  public init(byteCount: Int, on node: borrowing Communicator) throws(MPIError) {
    precondition(byteCount >= 0, "a segment of \(byteCount) bytes")
    rank = node.rank
    segmentCount = node.size
    let page = Int(cmpi_page_bytes())
    let needs = try node.allGather([byteCount])
    // A single rank's segment need not be a file.
    let free = try node.allReduce(node.size > 1 ? Int(cmpi_shared_bytes_free()) : -1, .min)
    try Self.checkRoom(needs, page: page, free: free)

    var window = cmpi_window(handle: cmpi_win_null())
    try Self.allocate(needs[rank] > 0 ? Self.withPadding(byteCount, page: page) : 0, node, &window)
    var segments: [UnsafeMutableRawBufferPointer] = []
    for (rank, byteCount) in needs.enumerated() {
      var (size, unit, base) = (MPI_Aint(0), Int32(0), UnsafeMutableRawPointer?.none)
      // int MPI_Win_shared_query(MPI_Win win, int rank, MPI_Aint *size, int *disp_unit,
      //                          void *baseptr)
      try check(
        "MPI_Win_shared_query",
        MPI_Win_shared_query(
          window.handle, try narrow("MPI_Win_shared_query", rank), &size, &unit, &base))
      // Files are mapped at pages, so this skips the same bytes in every process.
      segments.append(
        UnsafeMutableRawBufferPointer(
          start: byteCount > 0 ? base?.alignedUp(toMultipleOf: page) : nil, count: byteCount))
    }
    self.window = window
    self.segments = segments

    // int MPI_Win_lock_all(int assert, MPI_Win win)
    try check("MPI_Win_lock_all", MPI_Win_lock_all(Int32(MPI_MODE_NOCHECK), window.handle))
    let isTouched = cmpi_first_touch(segments[rank].baseAddress, byteCount)
    // Also the barrier after which all segments are zero.
    guard try node.allReduce(isTouched, .logicalAnd) else {
      throw MPIError(
        function: "MPI_Win_allocate_shared",
        noMemory: "the file system of shared memory (/dev/shm) is full, "
          + "\(needs.reduce(0, +)) bytes do not fit")
    }
  }

  /// Leaves the memory to the end of the process. Local; for a rank that fails alone, whose freeing
  /// would wait for the others.
  public func abandon() { isAbandoned = true }

  deinit {
    guard !MPIEnvironment.isFinalized, !isAbandoned else { return }
    // int MPI_Win_unlock_all(MPI_Win win)
    MPI_Win_unlock_all(window.handle)
    // int MPI_Win_free(MPI_Win *win)
    MPI_Win_free(&window.handle)
  }

  /// The segment of a rank, at this process's address; starts on a page. Local.
  ///
  /// - Precondition: `rank` is one of those that share the memory, and this object is alive while
  ///   the segment is in use.
  public func segment(ofRank rank: Int) -> UnsafeMutableRawBufferPointer {
    segments[rank]
  }

  /// Whole pages, and one more because windows do not start on a page.
  private static func withPadding(_ byteCount: Int, page: Int) -> Int {
    (byteCount + page - 1) / page * page + page
  }

  /// Room for what the MPI library keeps beside the segments.
  private static let bookkeeping = 1 << 20

  /// The same decision on every rank: all know the same numbers.
  private static func checkRoom(_ needs: [Int], page: Int, free: Int) throws(MPIError) {
    // 2^53: far above any memory, and sums and page rounding cannot overflow.
    let limit = 1 << 53
    let largest = needs.max() ?? 0
    var total = bookkeeping
    if largest <= limit {
      for need in needs where need > 0 && total <= limit { total += withPadding(need, page: page) }
    }
    guard largest <= limit && total <= limit && (free < 0 || total <= free) else {
      throw MPIError(
        function: "MPI_Win_allocate_shared",
        noMemory: "\(largest > limit || total > limit ? "2^53 and more" : "\(total)") bytes of "
          + "shared memory do not fit into \(free < 0 ? "memory" : "\(free) free in /dev/shm")")
    }
  }

  private static func allocate(
    _ byteCount: Int, _ node: borrowing Communicator, _ window: inout cmpi_window
  ) throws(MPIError) {
    var info = cmpi_info(handle: cmpi_info_null())
    // int MPI_Info_create(MPI_Info *info)
    try check("MPI_Info_create", MPI_Info_create(&info.handle))
    // int MPI_Info_set(MPI_Info info, const char *key, const char *value)
    try check("MPI_Info_set", MPI_Info_set(info.handle, "alloc_shared_noncontig", "true"))
    var base: UnsafeMutableRawPointer?
    // int MPI_Win_allocate_shared(MPI_Aint size, int disp_unit, MPI_Info info, MPI_Comm comm,
    //                             void *baseptr, MPI_Win *win)
    let code = MPI_Win_allocate_shared(
      MPI_Aint(byteCount), 1, info.handle, node.raw.handle, &base, &window.handle)
    // int MPI_Info_free(MPI_Info *info)
    MPI_Info_free(&info.handle)
    try check("MPI_Win_allocate_shared", code)
    // int MPI_Win_set_errhandler(MPI_Win win, MPI_Errhandler errhandler)
    try check(
      "MPI_Win_set_errhandler", MPI_Win_set_errhandler(window.handle, cmpi_errors_return()))
  }
}

@available(*, unavailable, message: "MPI stays on the thread that initialised it")
extension SharedMemory: Sendable {}
