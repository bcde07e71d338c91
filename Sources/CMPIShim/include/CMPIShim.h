/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: what Swift cannot import from mpi.h - handle macros and address constants. */
#ifndef CMPI_SHIM_H
#define CMPI_SHIM_H

#include <mpi.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The predefined handles of MPI 3.1 (annex A.1.1) are cast macros or integers, depending on the
 * MPI library, and Swift imports neither kind of macro. One function each, evaluated when called:
 * handles need not be compile-time or link-time constants. Functions and integer constants of
 * mpi.h import by themselves. The Fortran types are left out: an MPI built without Fortran does
 * not have them. */

/* Boxes: every handle of Open MPI imports as the same pointer type, every handle of MPICH as
 * Int32. One struct each keeps a datatype from being passed as a communicator, and gives Swift a
 * variable whose address fits the library's output parameters on both. */
typedef struct cmpi_comm { MPI_Comm handle; } cmpi_comm;
typedef struct cmpi_datatype { MPI_Datatype handle; } cmpi_datatype;
typedef struct cmpi_op { MPI_Op handle; } cmpi_op;
typedef struct cmpi_request { MPI_Request handle; } cmpi_request;
typedef struct cmpi_window { MPI_Win handle; } cmpi_window;
typedef struct cmpi_info { MPI_Info handle; } cmpi_info;

/* Communicators and groups */
static inline MPI_Comm cmpi_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm cmpi_comm_self(void) { return MPI_COMM_SELF; }
static inline MPI_Comm cmpi_comm_null(void) { return MPI_COMM_NULL; }
static inline MPI_Group cmpi_group_empty(void) { return MPI_GROUP_EMPTY; }
static inline MPI_Group cmpi_group_null(void) { return MPI_GROUP_NULL; }

/* Datatypes */
static inline MPI_Datatype cmpi_char(void) { return MPI_CHAR; }
static inline MPI_Datatype cmpi_signed_char(void) { return MPI_SIGNED_CHAR; }
static inline MPI_Datatype cmpi_unsigned_char(void) { return MPI_UNSIGNED_CHAR; }
static inline MPI_Datatype cmpi_wchar(void) { return MPI_WCHAR; }
static inline MPI_Datatype cmpi_short(void) { return MPI_SHORT; }
static inline MPI_Datatype cmpi_unsigned_short(void) { return MPI_UNSIGNED_SHORT; }
static inline MPI_Datatype cmpi_int(void) { return MPI_INT; }
static inline MPI_Datatype cmpi_unsigned(void) { return MPI_UNSIGNED; }
static inline MPI_Datatype cmpi_long(void) { return MPI_LONG; }
static inline MPI_Datatype cmpi_unsigned_long(void) { return MPI_UNSIGNED_LONG; }
static inline MPI_Datatype cmpi_long_long_int(void) { return MPI_LONG_LONG_INT; }
static inline MPI_Datatype cmpi_long_long(void) { return MPI_LONG_LONG; }
static inline MPI_Datatype cmpi_unsigned_long_long(void) { return MPI_UNSIGNED_LONG_LONG; }
static inline MPI_Datatype cmpi_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype cmpi_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype cmpi_long_double(void) { return MPI_LONG_DOUBLE; }
static inline MPI_Datatype cmpi_c_bool(void) { return MPI_C_BOOL; }
static inline MPI_Datatype cmpi_int8_t(void) { return MPI_INT8_T; }
static inline MPI_Datatype cmpi_int16_t(void) { return MPI_INT16_T; }
static inline MPI_Datatype cmpi_int32_t(void) { return MPI_INT32_T; }
static inline MPI_Datatype cmpi_int64_t(void) { return MPI_INT64_T; }
static inline MPI_Datatype cmpi_uint8_t(void) { return MPI_UINT8_T; }
static inline MPI_Datatype cmpi_uint16_t(void) { return MPI_UINT16_T; }
static inline MPI_Datatype cmpi_uint32_t(void) { return MPI_UINT32_T; }
static inline MPI_Datatype cmpi_uint64_t(void) { return MPI_UINT64_T; }
static inline MPI_Datatype cmpi_c_complex(void) { return MPI_C_COMPLEX; }
static inline MPI_Datatype cmpi_c_float_complex(void) { return MPI_C_FLOAT_COMPLEX; }
static inline MPI_Datatype cmpi_c_double_complex(void) { return MPI_C_DOUBLE_COMPLEX; }
static inline MPI_Datatype cmpi_c_long_double_complex(void) { return MPI_C_LONG_DOUBLE_COMPLEX; }
static inline MPI_Datatype cmpi_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype cmpi_packed(void) { return MPI_PACKED; }
static inline MPI_Datatype cmpi_aint(void) { return MPI_AINT; }
static inline MPI_Datatype cmpi_offset(void) { return MPI_OFFSET; }
static inline MPI_Datatype cmpi_count(void) { return MPI_COUNT; }
static inline MPI_Datatype cmpi_float_int(void) { return MPI_FLOAT_INT; }
static inline MPI_Datatype cmpi_double_int(void) { return MPI_DOUBLE_INT; }
static inline MPI_Datatype cmpi_long_int(void) { return MPI_LONG_INT; }
static inline MPI_Datatype cmpi_2int(void) { return MPI_2INT; }
static inline MPI_Datatype cmpi_short_int(void) { return MPI_SHORT_INT; }
static inline MPI_Datatype cmpi_long_double_int(void) { return MPI_LONG_DOUBLE_INT; }
static inline MPI_Datatype cmpi_datatype_null(void) { return MPI_DATATYPE_NULL; }

/* Reduction operations */
static inline MPI_Op cmpi_max(void) { return MPI_MAX; }
static inline MPI_Op cmpi_min(void) { return MPI_MIN; }
static inline MPI_Op cmpi_sum(void) { return MPI_SUM; }
static inline MPI_Op cmpi_prod(void) { return MPI_PROD; }
static inline MPI_Op cmpi_land(void) { return MPI_LAND; }
static inline MPI_Op cmpi_band(void) { return MPI_BAND; }
static inline MPI_Op cmpi_lor(void) { return MPI_LOR; }
static inline MPI_Op cmpi_bor(void) { return MPI_BOR; }
static inline MPI_Op cmpi_lxor(void) { return MPI_LXOR; }
static inline MPI_Op cmpi_bxor(void) { return MPI_BXOR; }
static inline MPI_Op cmpi_maxloc(void) { return MPI_MAXLOC; }
static inline MPI_Op cmpi_minloc(void) { return MPI_MINLOC; }
static inline MPI_Op cmpi_replace(void) { return MPI_REPLACE; }
static inline MPI_Op cmpi_no_op(void) { return MPI_NO_OP; }
static inline MPI_Op cmpi_op_null(void) { return MPI_OP_NULL; }

/* Requests, messages, info, error handlers, windows, files */
static inline MPI_Request cmpi_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Message cmpi_message_null(void) { return MPI_MESSAGE_NULL; }
static inline MPI_Message cmpi_message_no_proc(void) { return MPI_MESSAGE_NO_PROC; }
static inline MPI_Info cmpi_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Info cmpi_info_env(void) { return MPI_INFO_ENV; }
static inline MPI_Errhandler cmpi_errors_are_fatal(void) { return MPI_ERRORS_ARE_FATAL; }
static inline MPI_Errhandler cmpi_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline MPI_Errhandler cmpi_errhandler_null(void) { return MPI_ERRHANDLER_NULL; }
static inline MPI_Win cmpi_win_null(void) { return MPI_WIN_NULL; }
static inline MPI_File cmpi_file_null(void) { return MPI_FILE_NULL; }

/* Addresses with a meaning */
static inline void *cmpi_in_place(void) { return MPI_IN_PLACE; }
static inline void *cmpi_bottom(void) { return MPI_BOTTOM; }
static inline MPI_Status *cmpi_status_ignore(void) { return MPI_STATUS_IGNORE; }
static inline MPI_Status *cmpi_statuses_ignore(void) { return MPI_STATUSES_IGNORE; }
static inline int *cmpi_errcodes_ignore(void) { return MPI_ERRCODES_IGNORE; }
static inline int *cmpi_unweighted(void) { return MPI_UNWEIGHTED; }
static inline int *cmpi_weights_empty(void) { return MPI_WEIGHTS_EMPTY; }
static inline char **cmpi_argv_null(void) { return MPI_ARGV_NULL; }
static inline char ***cmpi_argvs_null(void) { return MPI_ARGVS_NULL; }

/* Arrays of boxed requests: a box adds nothing, so they are arrays of handles. */
static inline int cmpi_testsome(
    int count, cmpi_request *requests, int *done, int *indices, MPI_Status *statuses) {
  return MPI_Testsome(count, (MPI_Request *)requests, done, indices, statuses);
}
static inline int cmpi_waitsome(
    int count, cmpi_request *requests, int *done, int *indices, MPI_Status *statuses) {
  return MPI_Waitsome(count, (MPI_Request *)requests, done, indices, statuses);
}

/* Words of shared memory: Swift imports no atomic C types. */
static inline void cmpi_store_release(int64_t *word, int64_t value) {
  atomic_store_explicit((_Atomic int64_t *)word, value, memory_order_release);
}
static inline int64_t cmpi_load_acquire(const int64_t *word) {
  return atomic_load_explicit((const _Atomic int64_t *)word, memory_order_acquire);
}
static inline void cmpi_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ volatile("yield");
#endif
}
/* Loads up to `spins` times, with a pause between; whether the word has reached `value`. */
static inline bool cmpi_spin_until(const int64_t *word, int64_t value, int spins) {
  for (int i = 0; i < spins; i++) {
    if (cmpi_load_acquire(word) >= value) return true;
    cmpi_pause();
  }
  return false;
}
static inline void cmpi_yield(void) { sched_yield(); }

/* Bytes that may still be allocated for shared windows, -1 where nobody knows. */
int64_t cmpi_shared_bytes_free(void);

/* Writes zeros, so that the pages are there and near the calling thread. False where the file
 * system of the window is full; without the check the first touch is a SIGBUS. */
bool cmpi_first_touch(void *memory, size_t bytes);

/* Bytes of a memory page. */
size_t cmpi_page_bytes(void);

#endif
