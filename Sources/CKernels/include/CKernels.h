/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: matrix product, activation and row operations in portable C. */
#ifndef EPSIM_CKERNELS_H
#define EPSIM_CKERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Notation: all arrays are row-major; `h` is the row length in values, bf16 is its uint16_t bits.
   Pointers of different arguments never overlap, except where a comment says so. */

/* --- gemm.c: y[n, N] = x[n, K] W[K, N] in Float, W packed once --- */

/* Instruction sets with a kernel of their own; elsewhere than on x86-64 only the baseline. */
typedef enum { ck_baseline = 0, ck_x86_64_v3 = 1, ck_x86_64_v4 = 2 } ck_isa;

ck_isa ck_best_isa(void);
const char *ck_isa_name(ck_isa isa);
size_t ck_gemm_packed_count(ck_isa isa, size_t k, size_t n);
void ck_gemm_pack(ck_isa isa, size_t k, size_t n, const float *w, float *packed);
/* Values of scratch that a product of up to `rows` rows needs. */
size_t ck_gemm_scratch_count(size_t rows, size_t k);
/* `packed` and `scratch` are 64-byte aligned. Each y is a sum in ascending k, whatever `rows`. */
void ck_gemm(ck_isa isa, size_t rows, size_t k, size_t n, const float *x, const float *packed,
             float *scratch, float *y);

/* --- activation.c --- */

/* out[n, f] = silu(gate_up[n, 0 ..< f]) * gate_up[n, f ..< 2f] */
void ck_swiglu_f32(size_t rows, size_t f, const float *gate_up, float *out);
void ck_swiglu_bf16(size_t rows, size_t f, const float *gate_up, uint16_t *out);
/* The same with gelu, in its tanh form. */
void ck_geglu_f32(size_t rows, size_t f, const float *gate_up, float *out);
void ck_geglu_bf16(size_t rows, size_t f, const float *gate_up, uint16_t *out);
/* to[i] = max(up[i], 0) */
void ck_relu_f32(size_t count, const float *up, float *to);
void ck_relu_bf16(size_t count, const float *up, uint16_t *to);
/* to[i] = max(up[i], 0)^2 */
void ck_relu2_f32(size_t count, const float *up, float *to);
void ck_relu2_bf16(size_t count, const float *up, uint16_t *to);

/* --- rows.c: conversion, gather and scatter --- */

/* Round to nearest, ties to even; NaN stays NaN (quiet), infinities stay. */
void ck_convert_f32_bf16(size_t count, const float *from, uint16_t *to);
void ck_convert_bf16_f32(size_t count, const uint16_t *from, float *to);
/* to[i, :] = from[index[i], :] */
void ck_gather(size_t rows, size_t row_bytes, const int32_t *index, const void *from, void *to);
void ck_gather_f32_bf16(
    size_t rows, size_t h, const int32_t *index, const float *from, uint16_t *to);
void ck_gather_bf16_f32(
    size_t rows, size_t h, const int32_t *index, const uint16_t *from, float *to);
/* to[index[i], :] = from[i, :] */
void ck_scatter(size_t rows, size_t row_bytes, const int32_t *index, const void *from, void *to);

/* --- stream.c: memory that another core reads --- */

/* Copies without taking the lines of `to` into this core's cache. */
void ck_stream(size_t bytes, const void *from, void *to);
/* Orders what was streamed before a flag that is stored after. */
void ck_stream_fence(void);

/* --- wires.c: rows to and from their wire formats --- */

/* An fp8 row is h codes in E4M3, then a Float scale for each 128 of them, not aligned. */
/* to[i, :] = from[index[i], :] encoded */
void ck_encode_fp8(size_t rows, size_t h, const int32_t *index, const float *from, uint8_t *to);
/* to[i, :] = from[index[i], :] decoded */
void ck_decode_fp8_f32(
    size_t rows, size_t h, const int32_t *index, const uint8_t *from, float *to);
void ck_decode_fp8_bf16(
    size_t rows, size_t h, const int32_t *index, const uint8_t *from, uint16_t *to);
/* to[i, :] = from[index[i], :] as encoding and decoding leave it */
void ck_through_fp8_f32(
    size_t rows, size_t h, const int32_t *index, const float *from, float *to);
void ck_through_fp8_bf16(
    size_t rows, size_t h, const int32_t *index, const float *from, uint16_t *to);
void ck_through_bf16_f32(
    size_t rows, size_t h, const int32_t *index, const float *from, float *to);

/* --- sums.c: weighted sums of scattered rows, in Float --- */

/* x[t, :] += (sum over k ascending of weight[t, k] * y[row[t, k], :]) + shared[t, :];
   negative rows are skipped, shared may be NULL. */
void ck_reduce_f32(size_t tokens, size_t h, size_t top_k, const float *weight, const int32_t *row,
                   const float *y, const float *shared, float *x);
void ck_reduce_bf16(size_t tokens, size_t h, size_t top_k, const float *weight, const int32_t *row,
                    const uint16_t *y, const float *shared, float *x);
/* to[i, :] = sum over j ascending in offset[i] ..< offset[i + 1] of weight[j] * from[member[j], :];
   without weights (NULL) the plain sum. The names say from, then to. */
void ck_sums_f32_f32(size_t rows, size_t h, const int32_t *offset, const int32_t *member,
                     const float *weight, const float *from, float *to);
void ck_sums_f32_bf16(size_t rows, size_t h, const int32_t *offset, const int32_t *member,
                      const float *weight, const float *from, uint16_t *to);
void ck_sums_bf16_f32(size_t rows, size_t h, const int32_t *offset, const int32_t *member,
                      const float *weight, const uint16_t *from, float *to);
void ck_sums_bf16_bf16(size_t rows, size_t h, const int32_t *offset, const int32_t *member,
                       const float *weight, const uint16_t *from, uint16_t *to);

/* --- tokens.c: what happens to whole token rows --- */

/* out[t, :] = x[t, :] / sqrt(mean(x[t, :]^2) + epsilon); out may be x. */
void ck_rms_norm(size_t tokens, size_t h, float epsilon, const float *x, float *out);
/* Sum mod 2^64 over rows of a hash of (token[t], the bits of x[t, :]). */
uint64_t ck_row_hash(size_t tokens, size_t h, const uint64_t *token, const float *x);

#endif
