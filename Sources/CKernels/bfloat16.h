/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: one value between Float and bf16, in a form that compilers vectorise. */
#ifndef EPSIM_BFLOAT16_H
#define EPSIM_BFLOAT16_H

#include <stdint.h>
#include <string.h>

static inline __attribute__((always_inline)) uint16_t bf16_from_f32(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  /* Rounding would carry a NaN with a small payload into infinity, or past it into zero. */
  uint32_t quiet = (bits >> 16) | 0x40;
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
}

static inline __attribute__((always_inline)) float f32_from_bf16(uint16_t value) {
  uint32_t bits = (uint32_t)value << 16;
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

#endif
