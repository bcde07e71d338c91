/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: conversion, gather and scatter of rows. */
#include <string.h>

#include "CKernels.h"
#include "bfloat16.h"
#include "multiversion.h"
#include "row_pieces.h"

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
