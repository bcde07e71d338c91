/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: the activation of a gated expert, silu(gate) * up. */
#include <math.h>
#include <string.h>

#include "CKernels.h"
#include "bfloat16.h"
#include "multiversion.h"

#define INLINE static inline __attribute__((always_inline))

/* e^x for x in [-87.3, 0]; 0 below; NaN for NaN.
   x = n ln2 + r with |r| <= ln2 / 2; e^r by the polynomial of Cephes (Moshier 1989, expf). */
INLINE float exp_negative(float x) {
  const float to_integer = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
  float shifted = x * 1.44269504f + to_integer;
  float n = shifted - to_integer;
  float r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127) << 23; /* the integer sits in the low bits of `shifted` */
  float power;
  memcpy(&power, &bits, sizeof power);
  return x < -87.3f ? 0.0f : p * power;
}

/* g / (1 + e^-g) without overflow, relative error below 4 * 2^-24. Below -87.3, -infinity
   included, it is -0: the true value is under 1e-35. silu(+infinity) is +infinity, silu(NaN) is
   NaN. */
INLINE float silu(float g) {
  float e = exp_negative(-fabsf(g));
  float numerator = g < 0.0f ? e : 1.0f;
  float factor = g < -128.0f ? -128.0f : g; /* -infinity times 0 would be NaN */
  return factor * (numerator / (1.0f + e));
}

CLONES void ck_swiglu_f32(size_t rows, size_t f, const float *gate_up, float *out) {
  for (size_t row = 0; row < rows; row++) {
    const float *restrict gate = gate_up + row * 2 * f;
    const float *restrict up = gate + f;
    float *restrict to = out + row * f;
    for (size_t i = 0; i < f; i++) to[i] = silu(gate[i]) * up[i];
  }
}

CLONES void ck_swiglu_bf16(size_t rows, size_t f, const float *gate_up, uint16_t *out) {
  for (size_t row = 0; row < rows; row++) {
    const float *restrict gate = gate_up + row * 2 * f;
    const float *restrict up = gate + f;
    uint16_t *restrict to = out + row * f;
    for (size_t i = 0; i < f; i++) to[i] = bf16_from_f32(silu(gate[i]) * up[i]);
  }
}
