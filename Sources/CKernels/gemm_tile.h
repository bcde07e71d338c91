/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: the inner tile of the portable product, included once per instruction set.

   The includer defines TILE_NAME, TILE_TARGET (attributes of the function), TILE_LANES (floats in
   a vector) and TILE_ROWS (at most 14). A tile is up to TILE_ROWS rows by two vectors of columns:
   its sums fill the registers while x and W stream by. */

#define TILE_COLUMNS (2 * TILE_LANES)
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define VECTOR JOIN(TILE_NAME, _vector)
#define TILE_OF JOIN(TILE_NAME, _of)

typedef float VECTOR __attribute__((vector_size(4 * TILE_LANES), aligned(4), may_alias));

/* y[rows, TILE_COLUMNS] = start + a b: a is [depth, rows], b is [depth, TILE_COLUMNS], and start
   is y or, for the first block of depth, zero. `rows` is a constant after inlining. */
static inline __attribute__((always_inline)) TILE_TARGET void TILE_OF(
    const size_t rows, size_t depth, const float *restrict a, const float *restrict b,
    float *restrict y, size_t stride, bool first) {
  VECTOR sum[TILE_ROWS][2];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++) {
    sum[i][0] = first ? (VECTOR){0} : *(const VECTOR *)(y + i * stride);
    sum[i][1] = first ? (VECTOR){0} : *(const VECTOR *)(y + i * stride + TILE_LANES);
  }
  for (size_t k = 0; k < depth; k++) {
    VECTOR left = *(const VECTOR *)(b + k * TILE_COLUMNS);
    VECTOR right = *(const VECTOR *)(b + k * TILE_COLUMNS + TILE_LANES);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < rows; i++) {
      sum[i][0] += a[k * rows + i] * left;
      sum[i][1] += a[k * rows + i] * right;
    }
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < rows; i++) {
    *(VECTOR *)(y + i * stride) = sum[i][0];
    *(VECTOR *)(y + i * stride + TILE_LANES) = sum[i][1];
  }
}

static TILE_TARGET void TILE_NAME(size_t rows, size_t depth, const float *a, const float *b,
                                  float *y, size_t stride, bool first) {
  switch (rows) {
#define TILE_CASE(n)                                  \
  case n:                                             \
    TILE_OF(n, depth, a, b, y, stride, first);        \
    break;
    TILE_CASE(1)
    TILE_CASE(2)
    TILE_CASE(3)
    TILE_CASE(4)
#if TILE_ROWS > 4
    TILE_CASE(5)
    TILE_CASE(6)
#endif
#if TILE_ROWS > 6
    TILE_CASE(7)
    TILE_CASE(8)
#endif
#if TILE_ROWS > 8
    TILE_CASE(9)
    TILE_CASE(10)
    TILE_CASE(11)
    TILE_CASE(12)
    TILE_CASE(13)
    TILE_CASE(14)
#endif
#undef TILE_CASE
  }
}

#undef TILE_COLUMNS
#undef JOIN_
#undef JOIN
#undef VECTOR
#undef TILE_OF
#undef TILE_NAME
#undef TILE_TARGET
#undef TILE_LANES
#undef TILE_ROWS
