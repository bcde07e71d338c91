/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: rows to and from their wire formats. */
#include <float.h>
#include <string.h>

#include "CKernels.h"
#include "bfloat16.h"
#include "float8.h"
#include "multiversion.h"
#include "row_pieces.h"

/* Products and sums are rounded apart, so that CPUs with and without fused multiply-add agree. */
#pragma STDC FP_CONTRACT OFF

enum { block_values = 128 };

/* An fp8 row is its h codes, then the scales of its blocks, at whatever address that may be. */
INLINE size_t scale_offset(size_t h, size_t start) {
  return h + start / block_values * sizeof(float);
}

INLINE size_t row_bytes_of(size_t h) { return scale_offset(h, h + block_values - 1); }

/* The largest finite magnitude becomes 448, but the inverse of the scale stays finite. */
INLINE float scale_of(size_t count, const float *values) {
  int32_t largest = 0; /* magnitudes are ordered as their bits are */
  for (size_t i = 0; i < count; i++) {
    int32_t magnitude = (int32_t)(bits_of_f32(values[i]) & 0x7fffffff);
    magnitude = magnitude < f32_infinity ? magnitude : 0;
    largest = magnitude > largest ? magnitude : largest;
  }
  float scale = f32_of_bits((uint32_t)largest) / FP8_LARGEST;
  return scale < FLT_MIN ? FLT_MIN : scale;
}

INLINE float encode(size_t count, const float *restrict values, uint8_t *restrict codes) {
  float scale = scale_of(count, values);
  float factor = 1.0f / scale;
  for (size_t i = 0; i < count; i++) codes[i] = fp8_from_f32(values[i], factor);
  return scale;
}

INLINE void decode_f32(
    size_t count, const uint8_t *restrict codes, float scale, float *restrict values) {
  for (size_t i = 0; i < count; i++) values[i] = f32_from_fp8(codes[i]) * scale;
}

INLINE void decode_bf16(
    size_t count, const uint8_t *restrict codes, float scale, uint16_t *restrict values) {
  for (size_t i = 0; i < count; i++) values[i] = bf16_from_f32(f32_from_fp8(codes[i]) * scale);
}

INLINE void encode_piece(
    size_t count, size_t h, size_t start, const float *values, uint8_t *row) {
  float scale = encode(count, values + start, row + start);
  memcpy(row + scale_offset(h, start), &scale, sizeof scale);
}

#define PIECES(type, suffix)                                                                      \
  INLINE void decode_piece_##suffix(                                                              \
      size_t count, size_t h, size_t start, const uint8_t *row, type *values) {                   \
    float scale;                                                                                  \
    memcpy(&scale, row + scale_offset(h, start), sizeof scale);                                   \
    decode_##suffix(count, row + start, scale, values + start);                                   \
  }                                                                                               \
  /* What encoding and decoding leave of a piece. */                                              \
  INLINE void through_piece_##suffix(size_t count, const float *from, type *to) {                 \
    uint8_t codes[block_values];                                                                  \
    float scale = encode(count, from, codes);                                                     \
    decode_##suffix(count, codes, scale, to);                                                     \
  }

PIECES(float, f32)
PIECES(uint16_t, bf16)
#undef PIECES

CLONES void ck_encode_fp8(
    size_t rows, size_t h, const int32_t *index, const float *from, uint8_t *to) {
  size_t row_bytes = row_bytes_of(h);
#define ENCODE(row, start, length) \
  encode_piece((length), h, (start), from + (size_t)index[row] * h, to + (row) * row_bytes)
  FOR_EACH_PIECE(rows, h, block_values, ENCODE)
#undef ENCODE
}

#define DECODE(row, start, length) \
  DECODE_PIECE((length), h, (start), from + (size_t)index[row] * row_bytes, to + (row) * h)

CLONES void ck_decode_fp8_f32(
    size_t rows, size_t h, const int32_t *index, const uint8_t *from, float *to) {
  size_t row_bytes = row_bytes_of(h);
#define DECODE_PIECE decode_piece_f32
  FOR_EACH_PIECE(rows, h, block_values, DECODE)
#undef DECODE_PIECE
}

CLONES void ck_decode_fp8_bf16(
    size_t rows, size_t h, const int32_t *index, const uint8_t *from, uint16_t *to) {
  size_t row_bytes = row_bytes_of(h);
#define DECODE_PIECE decode_piece_bf16
  FOR_EACH_PIECE(rows, h, block_values, DECODE)
#undef DECODE_PIECE
}

INLINE void round_to_bf16(size_t count, const float *restrict from, float *restrict to) {
  for (size_t i = 0; i < count; i++) to[i] = f32_from_bf16(bf16_from_f32(from[i]));
}

#define THROUGH(row, start, length) \
  THROUGH_PIECE((length), from + (size_t)index[row] * h + (start), to + (row) * h + (start))

CLONES void ck_through_fp8_f32(
    size_t rows, size_t h, const int32_t *index, const float *from, float *to) {
#define THROUGH_PIECE through_piece_f32
  FOR_EACH_PIECE(rows, h, block_values, THROUGH)
#undef THROUGH_PIECE
}

CLONES void ck_through_fp8_bf16(
    size_t rows, size_t h, const int32_t *index, const float *from, uint16_t *to) {
#define THROUGH_PIECE through_piece_bf16
  FOR_EACH_PIECE(rows, h, block_values, THROUGH)
#undef THROUGH_PIECE
}

CLONES void ck_through_bf16_f32(
    size_t rows, size_t h, const int32_t *index, const float *from, float *to) {
#define THROUGH_PIECE round_to_bf16
  FOR_EACH_PIECE(rows, h, block_values, THROUGH)
#undef THROUGH_PIECE
}
