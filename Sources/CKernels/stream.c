/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: copies into memory that another core reads next. */
#include <stdatomic.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "CKernels.h"
#include "multiversion.h"

/* An ordinary store first fetches its line, which the reader has in its cache, and the reader
   fetches it back: two trips between caches that may not share a level. A whole line that is
   streamed makes neither. */
enum { line_bytes = 64 };
typedef char line __attribute__((vector_size(line_bytes)));

void ck_stream_fence(void) {
#if defined(__x86_64__)
  _mm_sfence();
#else
  atomic_thread_fence(memory_order_seq_cst);
#endif
}

CLONES void ck_stream(size_t bytes, const void *from, void *to) {
  const char *source = from;
  char *target = to;
  size_t head = (size_t)(-(uintptr_t)target % line_bytes);
  if (head > bytes) head = bytes;
  memcpy(target, source, head);
  size_t i = head;
  for (; i + line_bytes <= bytes; i += line_bytes) {
    line value;
    memcpy(&value, source + i, line_bytes);
    __builtin_nontemporal_store(value, (line *)(target + i));
  }
  memcpy(target + i, source + i, bytes - i);
}
