/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: the activations of experts, with and without a gate. */
#include <math.h>
#include <string.h>

#include "CKernels.h"
#include "bfloat16.h"
#include "multiversion.h"

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

/* g / (1 + e^-z) without overflow, where z has the sign of g. Below z = -87.3, -infinity included,
   it is -0 for finite g down to -128: the true value is under 1e-35. +infinity stays, NaN stays. */
INLINE float gated_by(float g, float z) {
  float e = exp_negative(-fabsf(z));
  float numerator = z < 0.0f ? e : 1.0f;
  float factor = g < -128.0f ? -128.0f : g; /* -infinity times 0 would be NaN */
  return factor * (numerator / (1.0f + e));
}

/* g / (1 + e^-g), relative error below 4 * 2^-24. */
INLINE float silu(float g) { return gated_by(g, g); }

/* The tanh form of GELU (Hendrycks and Gimpel 2016, section 2):
   g / 2 * (1 + tanh(sqrt(2 / pi) (g + 0.044715 g^3))),
   and (1 + tanh(z / 2)) / 2 = 1 / (1 + e^-z). */
INLINE float gelu(float g) { return gated_by(g, g * (1.59576912f + 0.0713548163f * g * g)); }

/* NaN stays: a comparison with it is false. */
INLINE float relu(float u) { return u < 0.0f ? 0.0f : u; }
INLINE float relu2(float u) { return relu(u) * relu(u); }
INLINE float same(float value) { return value; }

#define GATED(name, type, function, rounded)                                     \
  CLONES void name(size_t rows, size_t f, const float *gate_up, type *out) {     \
    for (size_t row = 0; row < rows; row++) {                                    \
      const float *restrict gate = gate_up + row * 2 * f;                        \
      const float *restrict up = gate + f;                                       \
      type *restrict to = out + row * f;                                         \
      for (size_t i = 0; i < f; i++) to[i] = rounded(function(gate[i]) * up[i]); \
    }                                                                            \
  }

#define PLAIN(name, type, function, rounded)                             \
  CLONES void name(size_t count, const float *up, type *restrict to) {   \
    for (size_t i = 0; i < count; i++) to[i] = rounded(function(up[i])); \
  }

GATED(ck_swiglu_f32, float, silu, same)
GATED(ck_swiglu_bf16, uint16_t, silu, bf16_from_f32)
GATED(ck_geglu_f32, float, gelu, same)
GATED(ck_geglu_bf16, uint16_t, gelu, bf16_from_f32)
PLAIN(ck_relu_f32, float, relu, same)
PLAIN(ck_relu_bf16, uint16_t, relu, bf16_from_f32)
PLAIN(ck_relu2_f32, float, relu2, same)
PLAIN(ck_relu2_bf16, uint16_t, relu2, bf16_from_f32)
