/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: a CPU engine, its stream and its thread count. */
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "context.h"

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl_debug.h>
#include <stdlib.h>

#include "CDNNLShim.h"

const char *cdnnl_status_text(int status) { return dnnl_status2str((dnnl_status_t)status); }

void cdnnl_library_version(int *major, int *minor, int *patch) {
  const dnnl_version_t *version = dnnl_version();
  *major = version->major;
  *minor = version->minor;
  *patch = version->patch;
}

const char *cdnnl_instruction_set(void) {
  /* Highest first: each value holds the bits of those that it includes. */
  static const struct {
    unsigned bits;
    const char *name;
  } sets[] = {
#if DNNL_VERSION_MAJOR >= 3
      {dnnl_cpu_isa_avx512_core_amx_fp16, "avx512_core_amx_fp16"},
      {dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"},
      {dnnl_cpu_isa_avx512_core_fp16, "avx512_core_fp16"},
#else
      {dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"},
#endif
      {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
      {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
      {dnnl_cpu_isa_avx512_core, "avx512_core"},
      {dnnl_cpu_isa_avx2_vnni, "avx2_vnni"},
      {dnnl_cpu_isa_avx2, "avx2"},
      {dnnl_cpu_isa_avx, "avx"},
      {dnnl_cpu_isa_sse41, "sse41"},
  };
  unsigned effective = (unsigned)dnnl_get_effective_cpu_isa();
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    if ((effective & sets[i].bits) == sets[i].bits) return sets[i].name;
  }
  return "default";
}

bool cdnnl_has_native_bf16(void) {
  unsigned effective = (unsigned)dnnl_get_effective_cpu_isa();
  unsigned needed = dnnl_cpu_isa_avx512_core_bf16;
  return (effective & needed) == needed;
}

void cdnnl_context_enter(const struct cdnnl_context *context) {
  if (context->set_threads) context->set_threads(context->threads);
}

/* The OpenMP runtime is whichever oneDNN was linked with; it must not become a dependency here. */
static dnnl_status_t find_thread_setting(int threads, void (**set_threads)(int)) {
  *set_threads = NULL;
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
  void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
  if (!symbol) return dnnl_unimplemented;
  *(void **)set_threads = symbol;
  (void)threads;
  return dnnl_success;
#elif DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_SEQ
  return threads == 1 ? dnnl_success : dnnl_unimplemented;
#else
  (void)threads;
  return dnnl_unimplemented;
#endif
}

int cdnnl_context_create(int threads, cdnnl_context **result) {
  *result = NULL;
  cdnnl_context *context = calloc(1, sizeof *context);
  if (!context) return dnnl_out_of_memory;
  context->threads = threads;
  dnnl_status_t status = find_thread_setting(threads, &context->set_threads);
  cdnnl_context_enter(context);
  if (status == dnnl_success) status = dnnl_engine_create(&context->engine, dnnl_cpu, 0);
  if (status == dnnl_success) {
    status = dnnl_stream_create(&context->stream, context->engine, dnnl_stream_in_order);
  }
  if (status != dnnl_success) {
    cdnnl_context_destroy(context);
    return status;
  }
  *result = context;
  return dnnl_success;
}

void cdnnl_context_destroy(cdnnl_context *context) {
  if (!context) return;
  if (context->stream) dnnl_stream_destroy(context->stream);
  if (context->engine) dnnl_engine_destroy(context->engine);
  free(context);
}
