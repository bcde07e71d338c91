/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: the order in which scattered rows are walked through. */
#ifndef EPSIM_ROW_PIECES_H
#define EPSIM_ROW_PIECES_H

#include <stddef.h>

#include "multiversion.h"

/* Rows lie scattered over memory. One row at a time leaves the memory waiting for the processor
   to notice each new row; a few rows side by side, a piece of each in turn, keep it busy (a third
   faster than row by row on buffers that no cache holds). */
enum { rows_abreast = 4, piece_bytes = 256, piece_values = 64 };

INLINE size_t min(size_t a, size_t b) { return a < b ? a : b; }

/* Calls piece(row, start, length) for every piece of every row; `length` is a constant in all but
   the last piece of a row. */
#define FOR_EACH_PIECE(rows, row_length, piece_length, piece)                              \
  for (size_t first = 0; first < (rows); first += rows_abreast) {                          \
    size_t end = min(first + rows_abreast, (rows));                                        \
    size_t start = 0;                                                                      \
    for (; start + (piece_length) <= (row_length); start += (piece_length)) {              \
      for (size_t row = first; row < end; row++) piece(row, start, (piece_length));        \
    }                                                                                      \
    if (start == (row_length)) continue;                                                   \
    for (size_t row = first; row < end; row++) piece(row, start, (row_length) - start);    \
  }

#endif
