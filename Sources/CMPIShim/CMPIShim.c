/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: what the Swift binding takes for granted about the MPI library. */
#ifdef __linux__
#define _GNU_SOURCE /* madvise */
#endif
#include "CMPIShim.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

_Static_assert(MPI_VERSION >= 3, "epsim needs MPI 3.0 or newer");
_Static_assert(MPI_SUCCESS == 0, "MPI 3.1, 8.4: success is zero");

/* Counts and ranks are int; addresses hold 64 bits. */
_Static_assert(sizeof(int) == 4, "counts are passed as Int32");
_Static_assert(sizeof(MPI_Aint) == 8, "addresses are passed as Int");
_Static_assert(sizeof(MPI_Count) == 8, "byte counts of datatypes are passed as Int");
_Static_assert(MPI_MAX_ERROR_STRING >= 64, "room for the text of an error");

/* The element types of MPIElement are the C types of their datatypes. */
_Static_assert(sizeof(float) == 4 && sizeof(double) == 8, "MPI_FLOAT and MPI_DOUBLE");
_Static_assert(sizeof(bool) == 1, "MPI_C_BOOL carries Swift's Bool");

/* A box adds nothing to its handle. */
_Static_assert(sizeof(cmpi_comm) == sizeof(MPI_Comm), "box of a communicator");
_Static_assert(sizeof(cmpi_datatype) == sizeof(MPI_Datatype), "box of a datatype");
_Static_assert(sizeof(cmpi_op) == sizeof(MPI_Op), "box of an operation");
_Static_assert(sizeof(cmpi_request) == sizeof(MPI_Request), "arrays of requests are cast");
_Static_assert(sizeof(cmpi_window) == sizeof(MPI_Win), "box of a window");
_Static_assert(sizeof(cmpi_info) == sizeof(MPI_Info), "box of an info");

/* Flags of two processes in one word: the atomic is the plain word, and no lock of one process. */
_Static_assert(sizeof(_Atomic int64_t) == sizeof(int64_t), "a flag is a plain word");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "flags between processes");

/* Both MPI libraries put windows there where they may write. */
static const char *const window_folder = "/dev/shm";

int64_t cmpi_shared_bytes_free(void) {
  struct statvfs state;
  if (access(window_folder, W_OK) != 0 || statvfs(window_folder, &state) != 0) return -1;
  /* Without a limit on a tmpfs all figures are zero. */
  if (state.f_blocks == 0) return -1;
  uint64_t blocks = state.f_bavail, bytes = state.f_frsize;
  return bytes != 0 && blocks > (uint64_t)INT64_MAX / bytes ? INT64_MAX
                                                            : (int64_t)(blocks * bytes);
}

size_t cmpi_page_bytes(void) {
  long bytes = sysconf(_SC_PAGESIZE);
  return bytes > 0 ? (size_t)bytes : 4096;
}

bool cmpi_first_touch(void *memory, size_t bytes) {
  if (bytes == 0) return true;
#ifdef MADV_POPULATE_WRITE
  size_t page = cmpi_page_bytes(), before = (uintptr_t)memory % page;
  /* Linux 5.14: what would be a SIGBUS is EFAULT. Older kernels say EINVAL. */
  if (madvise((char *)memory - before, bytes + before, MADV_POPULATE_WRITE) != 0
      && (errno == EFAULT || errno == ENOMEM)) {
    return false;
  }
#endif
  memset(memory, 0, bytes);
  return true;
}
