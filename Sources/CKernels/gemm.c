/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: matrix product in portable C, after Goto and van de Geijn 2008.

   W is packed once into blocks of `block_depth` rows, each cut into panels as wide as a tile, so
   that a product reads it strictly forward. x is packed per call into panels of a few rows. Every
   y[i, j] is accumulated in ascending k by one chain of multiply-adds (kept in y between blocks),
   so its bits depend on the instruction set but not on the number of rows. */
#include <stdbool.h>
#include <string.h>

#include "CKernels.h"

#if defined(__x86_64__)
#define TILE_NAME tile_v4
/* Left to itself, the compiler halves the vectors of x86-64-v4 and spills half of the sums. */
#define TILE_TARGET __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define TILE_LANES 16
#define TILE_ROWS 14
#include "gemm_tile.h"

#define TILE_NAME tile_v3
#define TILE_TARGET __attribute__((target("arch=x86-64-v3")))
#define TILE_LANES 8
#define TILE_ROWS 6
#include "gemm_tile.h"

#define TILE_ROWS 4 /* 16 vector registers of 4 floats */
#else
#define TILE_ROWS 8 /* 32 vector registers of 4 floats, as on arm64 */
#endif
#define TILE_NAME tile_baseline
#define TILE_TARGET
#define TILE_LANES 4
#include "gemm_tile.h"

enum {
  block_depth = 256,
  max_tile_rows = 14,
  max_tile_columns = 32,
};

typedef void tile_function(size_t rows, size_t depth, const float *a, const float *b, float *y,
                           size_t stride, bool first);

static const struct tile_kind {
  const char *name;
  tile_function *function;
  size_t rows, columns;
} tile_kinds[] = {
#if defined(__x86_64__)
    {"x86-64", tile_baseline, 4, 8},
    {"x86-64-v3", tile_v3, 6, 16},
    {"x86-64-v4", tile_v4, 14, 32},
#elif defined(__aarch64__)
    {"arm64", tile_baseline, 8, 8},
#else
    {"generic", tile_baseline, 8, 8},
#endif
};

ck_isa ck_best_isa(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("x86-64-v4")) return ck_x86_64_v4;
  if (__builtin_cpu_supports("x86-64-v3")) return ck_x86_64_v3;
#endif
  return ck_baseline;
}

const char *ck_isa_name(ck_isa isa) { return tile_kinds[isa].name; }

static size_t min(size_t a, size_t b) { return a < b ? a : b; }

static size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

size_t ck_gemm_packed_count(ck_isa isa, size_t k, size_t n) {
  size_t columns = tile_kinds[isa].columns;
  return divide_up(n, columns) * columns * k;
}

void ck_gemm_pack(ck_isa isa, size_t k, size_t n, const float *w, float *packed) {
  size_t width = tile_kinds[isa].columns;
  for (size_t k0 = 0; k0 < k; k0 += block_depth) {
    size_t depth = min(block_depth, k - k0);
    for (size_t j = 0; j < n; j += width) {
      size_t columns = min(width, n - j);
      for (size_t i = 0; i < depth; i++) {
        memcpy(packed, w + (k0 + i) * n + j, columns * sizeof *w);
        memset(packed + columns, 0, (width - columns) * sizeof *w);
        packed += width;
      }
    }
  }
}

size_t ck_gemm_scratch_count(size_t rows, size_t k) { return rows * min(k, block_depth); }

/* First row of panel p when `rows` are dealt evenly to `panels` panels. */
static size_t panel_start(size_t p, size_t panels, size_t rows) { return p * rows / panels; }

/* packed[panel][depth][rows of the panel] = x[rows, k0 ..< k0 + depth] */
static void pack_rows(size_t rows, size_t panels, size_t depth, size_t k, const float *x,
                      float *packed) {
  for (size_t p = 0; p < panels; p++) {
    size_t start = panel_start(p, panels, rows);
    size_t count = panel_start(p + 1, panels, rows) - start;
    for (size_t i = 0; i < count; i++) {
      const float *row = x + (start + i) * k;
      for (size_t d = 0; d < depth; d++) packed[d * count + i] = row[d];
    }
    packed += count * depth;
  }
}

/* A tile whose last columns lie outside y works on a copy. */
static void edge_tile(const struct tile_kind *kind, size_t rows, size_t columns, size_t depth,
                      const float *a, const float *b, float *y, size_t stride, bool first) {
  float copy[max_tile_rows * max_tile_columns] = {0};
  for (size_t i = 0; i < rows && !first; i++) {
    memcpy(copy + i * kind->columns, y + i * stride, columns * sizeof *y);
  }
  kind->function(rows, depth, a, b, copy, kind->columns, first);
  for (size_t i = 0; i < rows; i++) {
    memcpy(y + i * stride, copy + i * kind->columns, columns * sizeof *y);
  }
}

void ck_gemm(ck_isa isa, size_t rows, size_t k, size_t n, const float *x, const float *packed,
             float *scratch, float *y) {
  const struct tile_kind *kind = &tile_kinds[isa];
  if (rows == 0) return;
  size_t panels = divide_up(rows, kind->rows);
  for (size_t k0 = 0; k0 < k; k0 += block_depth) {
    size_t depth = min(block_depth, k - k0);
    pack_rows(rows, panels, depth, k, x + k0, scratch);
    for (size_t j = 0; j < n; j += kind->columns) {
      size_t columns = min(kind->columns, n - j);
      for (size_t p = 0; p < panels; p++) {
        size_t start = panel_start(p, panels, rows);
        size_t count = panel_start(p + 1, panels, rows) - start;
        const float *a = scratch + start * depth;
        float *to = y + start * n + j;
        if (columns == kind->columns) {
          kind->function(count, depth, a, packed, to, n, k0 == 0);
        } else {
          edge_tile(kind, count, columns, depth, a, packed, to, n, k0 == 0);
        }
      }
      packed += kind->columns * depth;
    }
  }
}
