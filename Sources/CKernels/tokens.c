/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: norm and hash of token rows. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "CKernels.h"
#include "multiversion.h"

/* Partial sums in a fixed pattern: the same value for every vector width. */
enum { norm_lanes = 32 };

CLONES void ck_rms_norm(size_t tokens, size_t h, float epsilon, const float *x, float *out) {
  for (size_t token = 0; token < tokens; token++) {
    const float *source = x + token * h;
    float *target = out + token * h;
    float lane[norm_lanes] = {0};
    size_t i = 0;
    for (; i + norm_lanes <= h; i += norm_lanes) {
      for (size_t j = 0; j < norm_lanes; j++) lane[j] += source[i + j] * source[i + j];
    }
    for (size_t j = 0; i + j < h; j++) lane[j] += source[i + j] * source[i + j];
    float total = 0;
    for (size_t j = 0; j < norm_lanes; j++) total += lane[j];
    float scale = 1.0f / sqrtf(total / (float)h + epsilon);
    for (size_t j = 0; j < h; j++) target[j] = source[j] * scale;
  }
}

/* The finaliser of splitmix64 (Steele, Lea and Flood 2014): every input bit reaches every output
   bit. */
static inline uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

static inline uint64_t pair(const float *values, bool both) {
  uint32_t bits[2] = {0, 0};
  memcpy(bits, values, both ? 8 : 4);
  return (uint64_t)bits[1] << 32 | bits[0];
}

uint64_t ck_row_hash(size_t tokens, size_t h, const uint64_t *token, const float *x) {
  uint64_t sum = 0;
  for (size_t t = 0; t < tokens; t++) {
    const float *row = x + t * h;
    uint64_t state = mix(token[t] + 0x9e3779b97f4a7c15u);
    for (size_t i = 0; i < h; i += 2) {
      state = (state ^ pair(row + i, i + 1 < h)) * 0x9fb21c651e98df25u;
      state ^= state >> 32;
    }
    sum += mix(state);
  }
  return sum;
}
