/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: every getter of CMPIShim in MPI calls that the binding makes, for the sanitizers. */
/*
 * Built and started by scripts/sanitize-shim, on 2 ranks or more. Prints one line per wrong result
 * and fails. All memory is allocated exactly as large as needed, so that a handle that stands for
 * another size than the binding believes is an overflow that the address sanitizer sees.
 */
#include <complex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "CMPIShim.h"

static int rank, size, failures;
static cmpi_comm world;

static void expect(bool holds, const char *what, int line) {
  if (holds) return;
  failures++;
  fprintf(stderr, "mpi_shim.c:%d: rank %d of %d: %s\n", line, rank, size, what);
}
#define EXPECT(condition) expect((condition), #condition, __LINE__)
#define CALL(call) expect((call) == MPI_SUCCESS, #call, __LINE__)

static void *allocate(size_t bytes) {
  void *memory = malloc(bytes);
  if (!memory && bytes) abort();
  return memory;
}

/* A datatype stands for as many bytes as the C type: broadcast one value through memory of
   exactly that size. */
static void check_type(MPI_Datatype handle, size_t bytes, const char *name) {
  int mpi_bytes = -1;
  MPI_Aint lower = -1, extent = -1;
  CALL(MPI_Type_size(handle, &mpi_bytes));
  CALL(MPI_Type_get_extent(handle, &lower, &extent));
  expect(lower == 0 && extent == (MPI_Aint)bytes, name, __LINE__);
  unsigned char *value = allocate(bytes);
  memset(value, rank == 0 ? 0x5a : 0, bytes);
  CALL(MPI_Bcast(value, 1, handle, 0, world.handle));
  /* Pairs may have padding, which does not travel; without any, every byte arrives. */
  for (size_t i = 0; i < bytes && (size_t)mpi_bytes == bytes; i++) {
    expect(value[i] == 0x5a, name, __LINE__);
  }
  free(value);
}

#define PAIR(type) sizeof(struct { type value; int index; })

static void check_types(void) {
  check_type(cmpi_char(), sizeof(char), "char");
  check_type(cmpi_signed_char(), sizeof(signed char), "signed char");
  check_type(cmpi_unsigned_char(), sizeof(unsigned char), "unsigned char");
  check_type(cmpi_wchar(), sizeof(wchar_t), "wchar_t");
  check_type(cmpi_short(), sizeof(short), "short");
  check_type(cmpi_unsigned_short(), sizeof(unsigned short), "unsigned short");
  check_type(cmpi_int(), sizeof(int), "int");
  check_type(cmpi_unsigned(), sizeof(unsigned), "unsigned");
  check_type(cmpi_long(), sizeof(long), "long");
  check_type(cmpi_unsigned_long(), sizeof(unsigned long), "unsigned long");
  check_type(cmpi_long_long_int(), sizeof(long long), "long long int");
  check_type(cmpi_long_long(), sizeof(long long), "long long");
  check_type(cmpi_unsigned_long_long(), sizeof(unsigned long long), "unsigned long long");
  check_type(cmpi_float(), sizeof(float), "float");
  check_type(cmpi_double(), sizeof(double), "double");
  check_type(cmpi_long_double(), sizeof(long double), "long double");
  check_type(cmpi_c_bool(), sizeof(bool), "bool");
  check_type(cmpi_int8_t(), 1, "int8_t");
  check_type(cmpi_int16_t(), 2, "int16_t");
  check_type(cmpi_int32_t(), 4, "int32_t");
  check_type(cmpi_int64_t(), 8, "int64_t");
  check_type(cmpi_uint8_t(), 1, "uint8_t");
  check_type(cmpi_uint16_t(), 2, "uint16_t");
  check_type(cmpi_uint32_t(), 4, "uint32_t");
  check_type(cmpi_uint64_t(), 8, "uint64_t");
  check_type(cmpi_c_complex(), sizeof(float complex), "complex");
  check_type(cmpi_c_float_complex(), sizeof(float complex), "float complex");
  check_type(cmpi_c_double_complex(), sizeof(double complex), "double complex");
  check_type(cmpi_c_long_double_complex(), sizeof(long double complex), "long double complex");
  check_type(cmpi_byte(), 1, "byte");
  check_type(cmpi_packed(), 1, "packed");
  check_type(cmpi_aint(), sizeof(MPI_Aint), "aint");
  check_type(cmpi_offset(), sizeof(MPI_Offset), "offset");
  check_type(cmpi_count(), sizeof(MPI_Count), "count");
  check_type(cmpi_float_int(), PAIR(float), "float and int");
  check_type(cmpi_double_int(), PAIR(double), "double and int");
  check_type(cmpi_long_int(), PAIR(long), "long and int");
  check_type(cmpi_2int(), PAIR(int), "two int");
  check_type(cmpi_short_int(), PAIR(short), "short and int");
  check_type(cmpi_long_double_int(), PAIR(long double), "long double and int");
}

/* Each operation on rank + 1, against the same operation in C. */
static int32_t reduced(cmpi_op op) {
  int32_t *value = allocate(sizeof *value);
  *value = rank + 1;
  CALL(MPI_Allreduce(cmpi_in_place(), value, 1, cmpi_int32_t(), op.handle, world.handle));
  int32_t result = *value;
  free(value);
  return result;
}

static void check_operations(void) {
  int32_t product = 1, band = -1, bor = 0, bxor = 0;
  for (int32_t r = 1; r <= size; r++) {
    product *= r, band &= r, bor |= r, bxor ^= r;
  }
  EXPECT(reduced((cmpi_op){cmpi_max()}) == size);
  EXPECT(reduced((cmpi_op){cmpi_min()}) == 1);
  EXPECT(reduced((cmpi_op){cmpi_sum()}) == size * (size + 1) / 2);
  EXPECT(reduced((cmpi_op){cmpi_prod()}) == product);
  EXPECT(reduced((cmpi_op){cmpi_land()}) != 0);
  EXPECT(reduced((cmpi_op){cmpi_lor()}) != 0);
  EXPECT((reduced((cmpi_op){cmpi_lxor()}) != 0) == (size % 2 != 0));
  EXPECT(reduced((cmpi_op){cmpi_band()}) == band);
  EXPECT(reduced((cmpi_op){cmpi_bor()}) == bor);
  EXPECT(reduced((cmpi_op){cmpi_bxor()}) == bxor);

  struct { int value, index; } mine = {rank * rank - rank, rank}, most, least;
  CALL(MPI_Allreduce(&mine, &most, 1, cmpi_2int(), cmpi_maxloc(), world.handle));
  CALL(MPI_Allreduce(&mine, &least, 1, cmpi_2int(), cmpi_minloc(), world.handle));
  EXPECT(most.value == (size - 1) * (size - 2) && most.index == (size == 2 ? 0 : size - 1));
  EXPECT(least.value == 0 && least.index == 0);

  bool all = rank == 0;
  CALL(MPI_Allreduce(cmpi_in_place(), &all, 1, cmpi_c_bool(), cmpi_land(), world.handle));
  EXPECT(!all);
  double *one = allocate(sizeof *one), *sum = allocate(sizeof *sum);
  *one = 0.5, *sum = -1;
  CALL(MPI_Reduce(one, sum, 1, cmpi_double(), cmpi_sum(), size - 1, world.handle));
  EXPECT(*sum == (rank == size - 1 ? 0.5 * size : -1));
  free(one), free(sum);
}

/* Rows as one datatype, a different number for every pair of ranks, none for some: the exchange
   of dispatch. Row i of source s for target t is filled with a value that names it. */
enum { row_floats = 7 };
static int rows_between(int source, int target) { return (source * 3 + target * 5) % 4; }
static float row_value(int source, int target, int row) {
  return (float)(source * 10000 + target * 100 + row);
}

static void check_row_exchange(void) {
  cmpi_datatype row = {cmpi_datatype_null()};
  CALL(MPI_Type_contiguous(row_floats * (int)sizeof(float), cmpi_byte(), &row.handle));
  CALL(MPI_Type_commit(&row.handle));
  int *counts = allocate(4 * (size_t)size * sizeof *counts);
  int *from = counts + size, *to_at = from + size, *from_at = to_at + size;
  int sent = 0, received = 0;
  for (int r = 0; r < size; r++) {
    counts[r] = rows_between(rank, r);
    to_at[r] = sent;
    sent += counts[r];
  }
  CALL(MPI_Alltoall(counts, 1, cmpi_int(), from, 1, cmpi_int(), world.handle));
  for (int r = 0; r < size; r++) {
    EXPECT(from[r] == rows_between(r, rank));
    from_at[r] = received;
    received += from[r];
  }
  float *out = allocate((size_t)sent * row_floats * sizeof *out);
  float *in = allocate((size_t)received * row_floats * sizeof *in);
  for (int r = 0; r < size; r++) {
    for (int i = 0; i < counts[r] * row_floats; i++) {
      out[to_at[r] * row_floats + i] = row_value(rank, r, i / row_floats);
    }
  }
  CALL(MPI_Alltoallv(out, counts, to_at, row.handle, in, from, from_at, row.handle, world.handle));
  for (int r = 0; r < size; r++) {
    for (int i = 0; i < from[r] * row_floats; i++) {
      EXPECT(in[from_at[r] * row_floats + i] == row_value(r, rank, i / row_floats));
    }
  }
  free(counts), free(out), free(in);
  CALL(MPI_Type_free(&row.handle));
  EXPECT(row.handle == cmpi_datatype_null());
}

static void check_gathers(void) {
  int mine = rank * rank;
  int *squares = allocate((size_t)size * sizeof *squares);
  CALL(MPI_Allgather(&mine, 1, cmpi_int(), squares, 1, cmpi_int(), world.handle));
  for (int r = 0; r < size; r++) EXPECT(squares[r] == r * r);
  free(squares);

  /* Rank r gives r values: rank 0 none. */
  int total = size * (size - 1) / 2;
  int16_t *own = allocate((size_t)rank * sizeof *own);
  for (int i = 0; i < rank; i++) own[i] = (int16_t)(rank * 100 + i);
  int16_t *all = rank == 0 ? allocate((size_t)total * sizeof *all) : NULL;
  int *counts = allocate((size_t)size * sizeof *counts), *starts = allocate((size_t)size * sizeof *starts);
  for (int r = 0; r < size; r++) counts[r] = r, starts[r] = r * (r - 1) / 2;
  CALL(MPI_Gatherv(own, rank, cmpi_int16_t(), all, counts, starts, cmpi_int16_t(), 0, world.handle));
  for (int r = 0; rank == 0 && r < size; r++) {
    for (int i = 0; i < r; i++) EXPECT(all[starts[r] + i] == r * 100 + i);
  }
  free(own), free(all), free(counts), free(starts);
}

static void check_communicators(void) {
  int relation = -1, members = 0;
  cmpi_comm half = {cmpi_comm_null()}, node = half, none = half, copy = half;
  CALL(MPI_Comm_split(world.handle, rank % 2, -rank, &half.handle));
  CALL(MPI_Comm_size(half.handle, &members));
  EXPECT(members == (size + (rank % 2 == 0)) / 2);
  CALL(MPI_Comm_free(&half.handle));
  EXPECT(half.handle == cmpi_comm_null());
  CALL(MPI_Comm_split(world.handle, MPI_UNDEFINED, 0, &none.handle));
  EXPECT(none.handle == cmpi_comm_null());
  CALL(MPI_Comm_split_type(
      world.handle, MPI_COMM_TYPE_SHARED, rank, cmpi_info_null(), &node.handle));
  CALL(MPI_Comm_size(node.handle, &members));
  EXPECT(members >= 1 && members <= size);
  CALL(MPI_Comm_free(&node.handle));
  CALL(MPI_Comm_dup(world.handle, &copy.handle));
  CALL(MPI_Comm_compare(world.handle, copy.handle, &relation));
  EXPECT(relation == MPI_CONGRUENT);
  CALL(MPI_Comm_free(&copy.handle));
  CALL(MPI_Comm_size(cmpi_comm_self(), &members));
  EXPECT(members == 1);

  MPI_Group all = cmpi_group_null(), empty = cmpi_group_empty();
  CALL(MPI_Comm_group(world.handle, &all));
  CALL(MPI_Group_size(empty, &members));
  EXPECT(members == 0);
  CALL(MPI_Group_free(&all));
  EXPECT(all == cmpi_group_null());

  /* A ring with and without weights. */
  int next = (rank + 1) % size, before = (rank + size - 1) % size;
  cmpi_comm ring = {cmpi_comm_null()};
  CALL(MPI_Dist_graph_create_adjacent(world.handle, 1, &before, cmpi_unweighted(), 1, &next,
                                      cmpi_unweighted(), cmpi_info_null(), 0, &ring.handle));
  CALL(MPI_Comm_free(&ring.handle));
  CALL(MPI_Dist_graph_create_adjacent(world.handle, 0, NULL, cmpi_weights_empty(), 0, NULL,
                                      cmpi_weights_empty(), cmpi_info_null(), 0, &ring.handle));
  CALL(MPI_Comm_free(&ring.handle));
}

static void check_point_to_point(void) {
  int64_t *mine = allocate(3 * sizeof *mine), *theirs = allocate(3 * sizeof *theirs);
  int next = (rank + 1) % size, before = (rank + size - 1) % size;
  for (int i = 0; i < 3; i++) mine[i] = rank * 10 + i, theirs[i] = -1;
  MPI_Request requests[2] = {cmpi_request_null(), cmpi_request_null()};
  CALL(MPI_Irecv(theirs, 3, cmpi_int64_t(), before, 4, world.handle, &requests[0]));
  CALL(MPI_Isend(mine, 3, cmpi_int64_t(), next, 4, world.handle, &requests[1]));
  CALL(MPI_Waitall(2, requests, cmpi_statuses_ignore()));
  EXPECT(requests[0] == cmpi_request_null() && requests[1] == cmpi_request_null());
  for (int i = 0; i < 3; i++) EXPECT(theirs[i] == before * 10 + i);

  /* Matched probe: the message handle is consumed, and there is none from nobody. */
  MPI_Message message = cmpi_message_null();
  CALL(MPI_Isend(mine, 1, cmpi_int64_t(), next, 5, world.handle, &requests[0]));
  CALL(MPI_Mprobe(before, 5, world.handle, &message, cmpi_status_ignore()));
  CALL(MPI_Mrecv(theirs, 1, cmpi_int64_t(), &message, cmpi_status_ignore()));
  CALL(MPI_Wait(&requests[0], cmpi_status_ignore()));
  EXPECT(message == cmpi_message_null());
  CALL(MPI_Mprobe(MPI_PROC_NULL, 5, world.handle, &message, cmpi_status_ignore()));
  EXPECT(message == cmpi_message_no_proc());

  /* Addresses that count from the bottom of memory. */
  MPI_Aint where = 0;
  int one = 1;
  MPI_Datatype absolute = cmpi_datatype_null();
  theirs[0] = rank == 0 ? 77 : 0;
  CALL(MPI_Get_address(theirs, &where));
  CALL(MPI_Type_create_hindexed(1, &one, &where, cmpi_int64_t(), &absolute));
  CALL(MPI_Type_commit(&absolute));
  CALL(MPI_Bcast(cmpi_bottom(), 1, absolute, 0, world.handle));
  EXPECT(theirs[0] == 77);
  CALL(MPI_Type_free(&absolute));
  free(mine), free(theirs);
}

/* Requests in boxes, completed some at a time: every one exactly once. */
static void check_boxed_requests(void) {
  int count = 2 * size, completed = 0;
  cmpi_request *requests = allocate((size_t)count * sizeof *requests);
  MPI_Status *statuses = allocate((size_t)count * sizeof *statuses);
  int *indices = allocate((size_t)count * sizeof *indices);
  int *seen = allocate((size_t)count * sizeof *seen);
  int32_t *values = allocate((size_t)count * sizeof *values);
  for (int pass = 0; pass < 2; pass++) {
    completed = 0;
    for (int r = 0; r < size; r++) {
      seen[r] = seen[size + r] = 0;
      values[r] = -1, values[size + r] = rank * 100 + r;
      CALL(MPI_Irecv(&values[r], 1, cmpi_int32_t(), r, 7, world.handle, &requests[r].handle));
    }
    for (int r = 0; r < size; r++) {
      CALL(MPI_Isend(&values[size + r], 1, cmpi_int32_t(), r, 7, world.handle,
                     &requests[size + r].handle));
    }
    while (completed < count) {
      int done = -1;
      CALL((pass == 0 ? cmpi_testsome : cmpi_waitsome)(count, requests, &done, indices, statuses));
      EXPECT(done >= pass && done <= count);
      for (int i = 0; i < done; i++) seen[indices[i]]++;
      completed += done;
    }
    for (int r = 0; r < size; r++) {
      EXPECT(values[r] == r * 100 + rank && seen[r] == 1 && seen[size + r] == 1);
      EXPECT(requests[r].handle == cmpi_request_null());
    }
  }
  free(requests), free(statuses), free(indices), free(seen), free(values);
}

/* A shared window of unequal parts, touched first by the owner, and flags in it. */
static void check_shared_window(void) {
  cmpi_comm node = {cmpi_comm_null()};
  cmpi_window window = {cmpi_win_null()};
  cmpi_info info = {cmpi_info_null()};
  int members = 0, own = 0, unit = 0;
  EXPECT(cmpi_page_bytes() >= 512 && (cmpi_page_bytes() & (cmpi_page_bytes() - 1)) == 0);
  EXPECT(cmpi_shared_bytes_free() >= -1);
  EXPECT(cmpi_first_touch(NULL, 0));
  CALL(MPI_Comm_split_type(
      world.handle, MPI_COMM_TYPE_SHARED, rank, cmpi_info_null(), &node.handle));
  CALL(MPI_Comm_size(node.handle, &members));
  CALL(MPI_Comm_rank(node.handle, &own));
  CALL(MPI_Info_create(&info.handle));
  CALL(MPI_Info_set(info.handle, "alloc_shared_noncontig", "true"));
  size_t bytes = 10000 * (size_t)own + 128;
  void *base = NULL;
  CALL(MPI_Win_allocate_shared(
      (MPI_Aint)bytes, 1, info.handle, node.handle, &base, &window.handle));
  CALL(MPI_Info_free(&info.handle));
  CALL(MPI_Win_lock_all(MPI_MODE_NOCHECK, window.handle));
  memset(base, 0x5a, bytes);
  EXPECT(cmpi_first_touch(base, bytes));
  for (size_t i = 0; i < bytes; i++) EXPECT(((unsigned char *)base)[i] == 0);
  CALL(MPI_Barrier(node.handle));

  /* A token goes around: word 0 is the flag, word 1 what it announces. */
  int64_t *mine = base, *theirs = NULL;
  MPI_Aint part = 0;
  CALL(MPI_Win_shared_query(
      window.handle, (own + members - 1) % members, &part, &unit, (void *)&theirs));
  for (int64_t round = 1; round <= 100; round++) {
    if (own == 0) mine[1] = round * 7, cmpi_store_release(mine, round);
    while (!cmpi_spin_until(theirs, round, 100)) cmpi_yield();
    EXPECT(theirs[1] == round * 7);
    if (own != 0) mine[1] = round * 7, cmpi_store_release(mine, round);
    /* Rank 0 must not go on before its right neighbour has read. */
    CALL(MPI_Barrier(node.handle));
  }
  EXPECT(cmpi_load_acquire(mine) == 100);
  EXPECT(!cmpi_spin_until(mine, 101, 10) && cmpi_spin_until(mine, 100, 1));
  EXPECT(!cmpi_spin_until(mine, 1, 0));
  CALL(MPI_Win_unlock_all(window.handle));
  CALL(MPI_Win_free(&window.handle));
  CALL(MPI_Comm_free(&node.handle));
}

/* Window, with the two operations that only windows take. */
static void check_window(void) {
  int32_t *shelf = allocate(sizeof *shelf), value = rank, old = -1;
  *shelf = 100 + rank;
  MPI_Win window = cmpi_win_null();
  CALL(MPI_Win_create(shelf, sizeof *shelf, 1, cmpi_info_null(), world.handle, &window));
  CALL(MPI_Win_fence(0, window));
  int next = (rank + 1) % size, before = (rank + size - 1) % size;
  CALL(MPI_Get_accumulate(
      NULL, 0, cmpi_int32_t(), &old, 1, cmpi_int32_t(), next, 0, 1, cmpi_int32_t(), cmpi_no_op(),
      window));
  CALL(MPI_Win_fence(0, window));
  EXPECT(old == 100 + next);
  CALL(MPI_Accumulate(
      &value, 1, cmpi_int32_t(), next, 0, 1, cmpi_int32_t(), cmpi_replace(), window));
  CALL(MPI_Win_fence(0, window));
  EXPECT(*shelf == before);
  CALL(MPI_Win_free(&window));
  EXPECT(window == cmpi_win_null());
  free(shelf);
}

/* Errors come back as codes with a class and a text, and the ranks can go on. */
static void check_errors(void) {
  int value = 0, errorClass = 0, length = 0;
  char *text = allocate(MPI_MAX_ERROR_STRING);
  int code = MPI_Send(&value, 1, cmpi_int(), size, 0, world.handle);
  CALL(MPI_Error_class(code, &errorClass));
  EXPECT(errorClass == MPI_ERR_RANK);
  CALL(MPI_Error_string(code, text, &length));
  EXPECT(length > 0 && length < MPI_MAX_ERROR_STRING && strlen(text) == (size_t)length);

  int *pair = allocate(2 * sizeof *pair);
  pair[0] = pair[1] = rank;
  if (rank == 0) CALL(MPI_Send(pair, 2, cmpi_int(), 1, 6, world.handle));
  if (rank == 1) {
    code = MPI_Recv(&value, 1, cmpi_int(), 0, 6, world.handle, cmpi_status_ignore());
    CALL(MPI_Error_class(code, &errorClass));
    EXPECT(errorClass == MPI_ERR_TRUNCATE);
  }
  CALL(MPI_Barrier(world.handle));
  free(text), free(pair);

  MPI_Errhandler handler = cmpi_errhandler_null();
  CALL(MPI_Comm_get_errhandler(world.handle, &handler));
  EXPECT(handler == cmpi_errors_return() && handler != cmpi_errors_are_fatal());
  CALL(MPI_Errhandler_free(&handler));
  EXPECT(handler == cmpi_errhandler_null());
}

/* What no call above takes must at least evaluate, and differ from the real thing. */
static void check_the_rest(void) {
  int found = 0, length = MPI_MAX_INFO_VAL;
  char *value = allocate((size_t)length + 1);
  CALL(MPI_Info_get(cmpi_info_env(), "maxprocs", length, value, &found));
  free(value);
  EXPECT(cmpi_info_env() != cmpi_info_null());
  EXPECT(cmpi_op_null() != cmpi_sum());
  EXPECT(cmpi_unweighted() != cmpi_weights_empty());
  EXPECT(cmpi_argv_null() == MPI_ARGV_NULL && cmpi_argvs_null() == MPI_ARGVS_NULL);
  EXPECT(cmpi_errcodes_ignore() == MPI_ERRCODES_IGNORE);
  EXPECT(cmpi_file_null() == MPI_FILE_NULL);
}

int main(void) {
  int provided = 0;
  if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) return 1;
  world.handle = cmpi_comm_world();
  CALL(MPI_Comm_set_errhandler(world.handle, cmpi_errors_return()));
  CALL(MPI_Comm_set_errhandler(cmpi_comm_self(), cmpi_errors_return()));
  CALL(MPI_Comm_rank(world.handle, &rank));
  CALL(MPI_Comm_size(world.handle, &size));
  if (size < 2) {
    fprintf(stderr, "mpi_shim needs 2 ranks or more, there is %d\n", size);
    MPI_Abort(world.handle, 2);
  }
  check_types();
  check_operations();
  check_row_exchange();
  check_gathers();
  check_communicators();
  check_point_to_point();
  check_boxed_requests();
  check_window();
  check_shared_window();
  check_errors();
  check_the_rest();
  CALL(MPI_Allreduce(cmpi_in_place(), &failures, 1, cmpi_int(), cmpi_sum(), world.handle));
  if (rank == 0 && failures == 0) printf("mpi_shim: %d ranks passed\n", size);
  MPI_Finalize();
  return failures == 0 ? 0 : 1;
}
