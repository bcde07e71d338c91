// SPDX-License-Identifier: Apache-2.0
// epsim: operations that were started and are completed later.

internal import CMPIShim

/// A fixed number of slots for operations that were started and are completed later.
///
/// All memory is allocated at initialisation. Starting an operation takes the lowest free slot and
/// returns its index; the operation stays in that slot, which is free again once its completion
/// was reported. MPI makes progress only inside its calls: test now and then, or wait.
///
/// Buffers belong to the operation until then: what is sent may be read but not written, what is
/// received neither. A set that goes away with pending operations gives back its own memory only
/// and completes nothing; that is for a job that aborts after an error.
/// Source: MPI 3.1 sections 3.7 (requests) and 5.12 (nonblocking collectives).
public final class RequestSet {
  /// Slots: operations that can be pending at once.
  public let capacity: Int
  /// Most ranks of a communicator whose all-to-alls this set can hold.
  public let peerCapacity: Int
  /// Operations that were started and not yet reported complete.
  public private(set) var pendingCount = 0

  private let requests: UnsafeMutablePointer<cmpi_request>
  private let statuses: UnsafeMutablePointer<MPI_Status>
  private let indices: UnsafeMutablePointer<Int32>
  private let isPending: UnsafeMutablePointer<Bool>
  /// [capacity, 4, peerCapacity]: MPI reads counts and displacements until the operation is over.
  let peerCounts: UnsafeMutablePointer<Int32>
  /// No slot below is free.
  private var lowestFree = 0
  /// No slot from here on is pending.
  private var end = 0
  private var isReporting = false

  /// Free slots. Local.
  /// - Parameters:
  ///   - capacity: operations that can be pending at once.
  ///   - peerCapacity: ranks of the largest communicator of an all-to-all, 16 bytes each per slot;
  ///     0 for a set that starts none.
  /// - Precondition: `capacity` is positive, `peerCapacity` not negative.
  public init(capacity: Int, peerCapacity: Int = 0) {
    precondition(
      capacity > 0 && capacity <= Int(Int32.max) && peerCapacity >= 0,
      "\(capacity) slots for \(peerCapacity) peers")
    self.capacity = capacity
    self.peerCapacity = peerCapacity
    requests = .allocate(capacity: capacity)
    requests.initialize(repeating: cmpi_request(handle: cmpi_request_null()), count: capacity)
    statuses = .allocate(capacity: capacity)
    statuses.initialize(repeating: MPI_Status(), count: capacity)
    indices = .allocate(capacity: capacity)
    indices.initialize(repeating: 0, count: capacity)
    isPending = .allocate(capacity: capacity)
    isPending.initialize(repeating: false, count: capacity)
    peerCounts = .allocate(capacity: capacity * 4 * peerCapacity)
    peerCounts.initialize(repeating: 0, count: capacity * 4 * peerCapacity)
  }

  deinit {
    requests.deallocate()
    statuses.deallocate()
    indices.deallocate()
    isPending.deallocate()
    peerCounts.deallocate()
  }

  /// Whether an operation in this slot was started and not yet reported complete. Local.
  public func isPending(_ slot: Int) -> Bool {
    precondition(slot >= 0 && slot < capacity, "slot \(slot) of \(capacity)")
    return isPending[slot]
  }

  /// Reports every operation that has completed since; does not wait. Allocates nothing.
  ///
  /// The slot is free when `body` gets it: `body` may start operations, but not test or wait.
  /// - Throws: the error of the first operation that failed.
  /// Local. Source: MPI 3.1 section 3.7.5 (MPI_Testsome).
  public func testSome(_ body: (Int) -> Void) throws(MPIError) {
    guard pendingCount > 0 else { return }
    precondition(!isReporting, "a test inside the report of another")
    var count: Int32 = 0
    // int MPI_Testsome(int incount, MPI_Request array_of_requests[], int *outcount,
    //                  int array_of_indices[], MPI_Status array_of_statuses[])
    let code = cmpi_testsome(Int32(end), requests, &count, indices, statuses)
    try checkSome("MPI_Testsome", code, count)
    report(count, body)
  }

  /// Waits until an operation completes and reports all that have; none where none is pending.
  ///
  /// As ``testSome(_:)``. Source: MPI 3.1 section 3.7.5 (MPI_Waitsome).
  public func waitSome(_ body: (Int) -> Void) throws(MPIError) {
    guard pendingCount > 0 else { return }
    precondition(!isReporting, "a wait inside the report of another")
    var count: Int32 = 0
    // int MPI_Waitsome(int incount, MPI_Request array_of_requests[], int *outcount,
    //                  int array_of_indices[], MPI_Status array_of_statuses[])
    let code = cmpi_waitsome(Int32(end), requests, &count, indices, statuses)
    try checkSome("MPI_Waitsome", code, count)
    report(count, body)
  }

  /// Whether the operation in this slot has completed; true also where the slot is free already.
  ///
  /// Does not wait, allocates nothing. Local. Source: MPI 3.1 section 3.7.3 (MPI_Test).
  public func test(_ slot: Int) throws(MPIError) -> Bool {
    guard isPending(slot) else { return true }
    precondition(!isReporting, "a test inside the report of another")
    var flag: Int32 = 0
    // int MPI_Test(MPI_Request *request, int *flag, MPI_Status *status)
    try check("MPI_Test", MPI_Test(&requests[slot].handle, &flag, statuses))
    if flag != 0 { free(slot) }
    return flag != 0
  }

  /// Waits until every operation has completed; all slots are free then. Allocates nothing.
  ///
  /// By MPI_Waitsome: the MPI_Waitall of Open MPI 4.1 spins for ever where an operation fails while
  /// it waits.
  /// Local. Source: MPI 3.1 section 3.7.5.
  public func waitAll() throws(MPIError) {
    while pendingCount > 0 { try waitSome { _ in } }
  }

  /// Takes the lowest free slot for what `body` starts, and keeps it where that succeeds.
  func start(
    _ function: StaticString, _ body: (UnsafeMutablePointer<cmpi_request>, Int) -> Int32
  ) throws(MPIError) -> Int {
    precondition(pendingCount < capacity, "all \(capacity) slots are pending")
    let slot = lowestFree
    let code = body(requests + slot, slot)
    guard code == MPI_SUCCESS else {
      requests[slot].handle = cmpi_request_null()
      throw MPIError(function: function, code: code)
    }
    isPending[slot] = true
    pendingCount += 1
    end = max(end, slot + 1)
    repeat { lowestFree += 1 } while lowestFree < capacity && isPending[lowestFree]
    return slot
  }

  private func free(_ slot: Int) {
    isPending[slot] = false
    pendingCount -= 1
    lowestFree = min(lowestFree, slot)
    while end > 0 && !isPending[end - 1] { end -= 1 }
  }

  /// Slots are freed one by one: an operation that `body` starts never takes one that is complete
  /// and not yet reported.
  private func report(_ count: Int32, _ body: (Int) -> Void) {
    isReporting = true
    for index in 0..<Int(count) {
      let slot = Int(indices[index])
      free(slot)
      body(slot)
    }
    isReporting = false
  }

  /// Throws the error of the operation where the library says only that one of several failed.
  private func checkSome(
    _ function: StaticString, _ code: Int32, _ count: Int32
  ) throws(MPIError) {
    guard code != MPI_SUCCESS else { return }
    let failed = (0..<max(0, Int(count))).lazy.map { self.statuses[$0].MPI_ERROR }
      .first { $0 != MPI_SUCCESS && $0 != MPI_ERR_PENDING }
    throw MPIError(function: function, code: code == MPI_ERR_IN_STATUS ? failed ?? code : code)
  }
}

@available(*, unavailable, message: "MPI stays on the thread that initialised it")
extension RequestSet: Sendable {}
