/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: a CPU engine, its stream and its thread count. */
#ifndef EPSIM_DNNL_CONTEXT_H
#define EPSIM_DNNL_CONTEXT_H

#include <oneapi/dnnl/dnnl.h>

struct cdnnl_context {
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  int threads;
  void (*set_threads)(int); /* NULL where the library has no threads of its own */
};

/* Limits the calling thread's parallel regions; OpenMP keeps that number per thread. */
void cdnnl_context_enter(const struct cdnnl_context *context);

#endif
