/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: conversion, gather and scatter of rows. */
#include <string.h>

#include "CKernels.h"
#include "bfloat16.h"
#include "multiversion.h"

#define INLINE static inline __attribute__((always_inline))

/* Rows lie scattered over memory. One row at a time leaves the memory waiting for the processor
   to notice each new row; a few rows side by side, a piece of each in turn, keep it busy (a third
   faster than row by row on buffers that no cache holds). */
enum { rows_abreast = 4, piece_bytes = 256, piece_values = 64 };

INLINE size_t min(size_t a, size_t b) { return a < b ? a : b; }

/* Calls piece(row, start, length) for every piece of every row; `length` is a constant in all but
   the last piece of a row. */
#define FOR_EACH_PIECE(rows, row_length, piece_length, piece)                              \
  for (size_t first = 0; first < (rows); first += rows_abreast) {                          \
    size_t end = min(first + rows_abreast, (rows));                                        \
    size_t start = 0;                                                                      \
    for (; start + (piece_length) <= (row_length); start += (piece_length)) {              \
      for (size_t row = first; row < end; row++) piece(row, start, (piece_length));        \
    }                                                                                      \
    if (start == (row_length)) continue;                                                   \
    for (size_t row = first; row < end; row++) piece(row, start, (row_length) - start);    \
  }

INLINE void narrow(size_t count, const float *restrict from, uint16_t *restrict to) {
  for (size_t i = 0; i < count; i++) to[i] = bf16_from_f32(from[i]);
}

INLINE void widen(size_t count, const uint16_t *restrict from, float *restrict to) {
  for (size_t i = 0; i < count; i++) to[i] = f32_from_bf16(from[i]);
}

CLONES void ck_convert_f32_bf16(size_t count, const float *from, uint16_t *to) {
  narrow(count, from, to);
}

CLONES void ck_convert_bf16_f32(size_t count, const uint16_t *from, float *to) {
  widen(count, from, to);
}

CLONES void ck_gather(
    size_t rows, size_t row_bytes, const int32_t *index, const void *from, void *to) {
  const char *source = from;
  char *target = to;
#define COPY(row, start, length)                \
  memcpy(target + (row) * row_bytes + (start), \
         source + (size_t)index[row] * row_bytes + (start), (length))
  FOR_EACH_PIECE(rows, row_bytes, piece_bytes, COPY)
#undef COPY
}

CLONES void ck_scatter(
    size_t rows, size_t row_bytes, const int32_t *index, const void *from, void *to) {
  const char *source = from;
  char *target = to;
#define COPY(row, start, length)                                     \
  memcpy(target + (size_t)index[row] * row_bytes + (start), \
         source + (row) * row_bytes + (start), (length))
  FOR_EACH_PIECE(rows, row_bytes, piece_bytes, COPY)
#undef COPY
}

CLONES void ck_gather_f32_bf16(
    size_t rows, size_t h, const int32_t *index, const float *from, uint16_t *to) {
#define NARROW(row, start, length) \
  narrow((length), from + (size_t)index[row] * h + (start), to + (row) * h + (start))
  FOR_EACH_PIECE(rows, h, piece_values, NARROW)
#undef NARROW
}

CLONES void ck_gather_bf16_f32(
    size_t rows, size_t h, const int32_t *index, const uint16_t *from, float *to) {
#define WIDEN(row, start, length) \
  widen((length), from + (size_t)index[row] * h + (start), to + (row) * h + (start))
  FOR_EACH_PIECE(rows, h, piece_values, WIDEN)
#undef WIDEN
}
