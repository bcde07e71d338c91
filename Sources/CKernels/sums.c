/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: weighted sums of scattered rows. */
#include "CKernels.h"
#include "bfloat16.h"
#include "multiversion.h"

/* Columns whose sums stay in registers while a piece of each of the rows streams by; all rows of
   a sum advance together, which keeps the memory busier than one row after the other. */
enum { sum_columns = 64 };

INLINE float same(float value) { return value; }

#define REDUCE(name, type, widened)                                                               \
  INLINE void name##_piece(size_t columns, size_t h, size_t top_k, const float *weight,           \
                           const int32_t *row, const type *y, const float *shared, float *x) {    \
    float sum[sum_columns] = {0};                                                                 \
    for (size_t k = 0; k < top_k; k++) {                                                          \
      if (row[k] < 0) continue;                                                                   \
      const type *source = y + (size_t)row[k] * h;                                                \
      for (size_t i = 0; i < columns; i++) sum[i] += weight[k] * widened(source[i]);              \
    }                                                                                             \
    if (shared) {                                                                                 \
      for (size_t i = 0; i < columns; i++) sum[i] += shared[i];                                   \
    }                                                                                             \
    for (size_t i = 0; i < columns; i++) x[i] += sum[i];                                          \
  }                                                                                               \
  CLONES void name(size_t tokens, size_t h, size_t top_k, const float *weight,                    \
                   const int32_t *row, const type *y, const float *shared, float *x) {            \
    for (size_t t = 0; t < tokens; t++) {                                                         \
      const float *w = weight + t * top_k;                                                        \
      const int32_t *r = row + t * top_k;                                                         \
      size_t i = 0;                                                                               \
      for (; i + sum_columns <= h; i += sum_columns) {                                            \
        const float *other = shared ? shared + t * h + i : NULL;                                  \
        name##_piece(sum_columns, h, top_k, w, r, y + i, other, x + t * h + i);                   \
      }                                                                                           \
      if (i < h) {                                                                                \
        const float *other = shared ? shared + t * h + i : NULL;                                  \
        name##_piece(h - i, h, top_k, w, r, y + i, other, x + t * h + i);                         \
      }                                                                                           \
    }                                                                                             \
  }

REDUCE(ck_reduce_f32, float, same)
REDUCE(ck_reduce_bf16, uint16_t, f32_from_bf16)

/* Products and sums are rounded apart, so that CPUs with and without fused multiply-add agree. */
#pragma STDC FP_CONTRACT OFF

#define SUMS(name, source_type, widened, target_type, rounded)                                    \
  INLINE void name##_piece(size_t columns, size_t h, size_t count, const int32_t *member,         \
                           const float *weight, const source_type *from, target_type *to) {       \
    float sum[sum_columns] = {0};                                                                 \
    if (weight) {                                                                                 \
      for (size_t j = 0; j < count; j++) {                                                        \
        const source_type *source = from + (size_t)member[j] * h;                                 \
        for (size_t i = 0; i < columns; i++) sum[i] += weight[j] * widened(source[i]);            \
      }                                                                                           \
    } else {                                                                                      \
      for (size_t j = 0; j < count; j++) {                                                        \
        const source_type *source = from + (size_t)member[j] * h;                                 \
        for (size_t i = 0; i < columns; i++) sum[i] += widened(source[i]);                        \
      }                                                                                           \
    }                                                                                             \
    for (size_t i = 0; i < columns; i++) to[i] = rounded(sum[i]);                                 \
  }                                                                                               \
  CLONES void name(size_t rows, size_t h, const int32_t *offset, const int32_t *member,           \
                   const float *weight, const source_type *from, target_type *to) {               \
    for (size_t row = 0; row < rows; row++) {                                                     \
      size_t count = (size_t)(offset[row + 1] - offset[row]);                                     \
      const int32_t *m = member + offset[row];                                                    \
      const float *w = weight ? weight + offset[row] : NULL;                                      \
      size_t i = 0;                                                                               \
      for (; i + sum_columns <= h; i += sum_columns) {                                            \
        name##_piece(sum_columns, h, count, m, w, from + i, to + row * h + i);                    \
      }                                                                                           \
      if (i < h) name##_piece(h - i, h, count, m, w, from + i, to + row * h + i);                 \
    }                                                                                             \
  }

SUMS(ck_sums_f32_f32, float, same, float, same)
SUMS(ck_sums_f32_bf16, float, same, uint16_t, bf16_from_f32)
SUMS(ck_sums_bf16_f32, uint16_t, f32_from_bf16, float, same)
SUMS(ck_sums_bf16_bf16, uint16_t, f32_from_bf16, uint16_t, bf16_from_f32)
