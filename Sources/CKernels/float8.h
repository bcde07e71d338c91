/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: one value between Float and fp8 (E4M3), in a form that compilers vectorise. */
#ifndef EPSIM_FLOAT8_H
#define EPSIM_FLOAT8_H

#include <stdint.h>
#include <string.h>

#include "multiversion.h"

/* E4M3: a sign, 4 bits of exponent with bias 7, 3 of fraction; steps of 2^-9 below 2^-6; no
   infinity, and one NaN of each sign, all ones. Source: OCP 8-bit Floating Point Specification
   (OFP8), revision 1.0, section 5. */
#define FP8_LARGEST 448.0f
#define FP8_LEAST_NORMAL 0x1p-6f
enum { fp8_nan = 0x7f, f32_infinity = 0x7f800000 };

INLINE uint32_t bits_of_f32(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

INLINE float f32_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* The code nearest to value * factor, ties to even, at most 448; infinity and NaN give NaN. */
INLINE uint8_t fp8_from_f32(float value, float factor) {
  uint32_t bits = bits_of_f32(value);
  uint32_t magnitude = bits & 0x7fffffff;
  float scaled = f32_of_bits(magnitude) * factor;
  scaled = scaled < FP8_LARGEST ? scaled : FP8_LARGEST;
  uint32_t wide = bits_of_f32(scaled);
  /* Both exponents lie in the bits above the fraction: 120 is the difference of the biases. */
  uint32_t normal = ((wide + 0x7ffff + ((wide >> 20) & 1)) >> 20) - (120 << 3);
  /* The last bit of a Float at 2^14 is worth 2^-9, so the sum rounds to codes. */
  uint32_t subnormal = bits_of_f32(scaled + 0x1p14f) - bits_of_f32(0x1p14f);
  uint32_t code = scaled < FP8_LEAST_NORMAL ? subnormal : normal;
  code = magnitude < f32_infinity ? code : fp8_nan;
  return (uint8_t)(code | (bits >> 24 & 0x80));
}

INLINE float f32_from_fp8(uint8_t code) {
  uint32_t magnitude = code & 0x7f;
  /* A subnormal gets the leading one that it lacks, 2^-6, which is then taken away. */
  uint32_t is_subnormal = magnitude < 8;
  float value = f32_of_bits((magnitude << 20) + ((120 + is_subnormal) << 23));
  value -= is_subnormal ? FP8_LEAST_NORMAL : 0.0f;
  uint32_t bits = magnitude == fp8_nan ? f32_infinity | 0x400000 : bits_of_f32(value);
  return f32_of_bits(bits | (uint32_t)(code & 0x80) << 24);
}

#endif
