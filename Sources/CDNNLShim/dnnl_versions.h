/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: what oneDNN 2 and 3 spell differently. */
#ifndef EPSIM_DNNL_VERSIONS_H
#define EPSIM_DNNL_VERSIONS_H

#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

#if DNNL_VERSION_MAJOR < 2 || DNNL_VERSION_MAJOR > 3
#error "epsim knows oneDNN 2 and 3"
#endif

/* An owned memory descriptor; version 2 has structs to copy, version 3 opaque handles. */
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t owned_desc;
typedef const_dnnl_memory_desc_t borrowed_desc;

static inline dnnl_status_t desc_strided(
    owned_desc *desc, const dnnl_dims_t dims, dnnl_data_type_t type, const dnnl_dims_t strides) {
  return dnnl_memory_desc_create_with_strides(desc, 2, dims, type, strides);
}

static inline dnnl_status_t desc_any(
    owned_desc *desc, const dnnl_dims_t dims, dnnl_data_type_t type) {
  return dnnl_memory_desc_create_with_tag(desc, 2, dims, type, dnnl_format_tag_any);
}

static inline dnnl_status_t desc_clone(owned_desc *desc, borrowed_desc source) {
  return dnnl_memory_desc_clone(desc, source);
}

static inline void desc_free(owned_desc desc) {
  if (desc) dnnl_memory_desc_destroy(desc);
}

static inline dnnl_status_t matmul_desc(
    dnnl_primitive_desc_t *primitive, dnnl_engine_t engine, borrowed_desc x, borrowed_desc w,
    borrowed_desc y, const_dnnl_primitive_attr_t attributes) {
  return dnnl_matmul_primitive_desc_create(primitive, engine, x, w, NULL, y, attributes);
}
#else
typedef dnnl_memory_desc_t *owned_desc;
typedef const dnnl_memory_desc_t *borrowed_desc;

static inline dnnl_status_t desc_clone(owned_desc *desc, borrowed_desc source) {
  *desc = malloc(sizeof **desc);
  if (!*desc) return dnnl_out_of_memory;
  **desc = *source;
  return dnnl_success;
}

static inline dnnl_status_t desc_strided(
    owned_desc *desc, const dnnl_dims_t dims, dnnl_data_type_t type, const dnnl_dims_t strides) {
  dnnl_memory_desc_t value;
  dnnl_status_t status = dnnl_memory_desc_init_by_strides(&value, 2, dims, type, strides);
  return status == dnnl_success ? desc_clone(desc, &value) : status;
}

static inline dnnl_status_t desc_any(
    owned_desc *desc, const dnnl_dims_t dims, dnnl_data_type_t type) {
  dnnl_memory_desc_t value;
  dnnl_status_t status =
      dnnl_memory_desc_init_by_tag(&value, 2, dims, type, dnnl_format_tag_any);
  return status == dnnl_success ? desc_clone(desc, &value) : status;
}

static inline void desc_free(owned_desc desc) { free(desc); }

static inline dnnl_status_t matmul_desc(
    dnnl_primitive_desc_t *primitive, dnnl_engine_t engine, borrowed_desc x, borrowed_desc w,
    borrowed_desc y, const_dnnl_primitive_attr_t attributes) {
  dnnl_matmul_desc_t operation;
  dnnl_status_t status = dnnl_matmul_desc_init(&operation, x, w, NULL, y);
  if (status != dnnl_success) return status;
  return dnnl_primitive_desc_create(primitive, &operation, attributes, engine, NULL);
}
#endif

#endif
