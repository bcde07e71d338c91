/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: a family of matrix products that share one packed copy of the weights. */
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

#include "CDNNLShim.h"
#include "context.h"
#include "dnnl_versions.h"

/* The product for one row count. */
struct sized_product {
  dnnl_primitive_t primitive;
  dnnl_memory_t x, y;
  dnnl_memory_t scratch; /* NULL where oneDNN needs none */
};

struct cdnnl_product {
  cdnnl_context *context;
  dnnl_dim_t k, n;
  dnnl_data_type_t type;
  dnnl_primitive_attr_t attributes;
  owned_desc layout;                  /* of the packed weights */
  size_t max_rows;
  struct sized_product **by_rows;     /* [max_rows + 1] */
  void *scratch;
  size_t scratch_size;
};

struct cdnnl_weights {
  dnnl_memory_t memory;
};

#define TRY(call)                                    \
  do {                                               \
    dnnl_status_t status_ = (call);                  \
    if (status_ != dnnl_success) return status_;     \
  } while (0)

static dnnl_status_t plain(owned_desc *desc, dnnl_dim_t rows, dnnl_dim_t columns,
                           dnnl_data_type_t type) {
  dnnl_dims_t dims = {rows, columns}, strides = {columns, 1};
  return desc_strided(desc, dims, type, strides);
}

/* The primitive descriptor of a product; `layout` NULL leaves the weights layout to oneDNN. */
static dnnl_status_t describe(const cdnnl_product *product, size_t rows, borrowed_desc layout,
                              dnnl_primitive_desc_t *result) {
  dnnl_dims_t weight_dims = {product->k, product->n};
  owned_desc x = NULL, w = NULL, y = NULL;
  dnnl_status_t status = plain(&x, (dnnl_dim_t)rows, product->k, product->type);
  if (status == dnnl_success) status = plain(&y, (dnnl_dim_t)rows, product->n, dnnl_f32);
  if (status == dnnl_success) {
    status = layout ? desc_clone(&w, layout) : desc_any(&w, weight_dims, product->type);
  }
  if (status == dnnl_success) {
    status = matmul_desc(result, product->context->engine, x, w, y, product->attributes);
  }
  desc_free(x);
  desc_free(w);
  desc_free(y);
  return status;
}

static dnnl_status_t choose_layout(cdnnl_product *product, size_t layout_rows) {
  TRY(dnnl_primitive_attr_create(&product->attributes));
  /* User scratchpads: one buffer serves every row count and nothing is allocated in a step. */
  TRY(dnnl_primitive_attr_set_scratchpad_mode(product->attributes, dnnl_scratchpad_mode_user));
  dnnl_primitive_desc_t description;
  TRY(describe(product, layout_rows, NULL, &description));
  dnnl_status_t status = desc_clone(
      &product->layout, dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0));
  dnnl_primitive_desc_destroy(description);
  return status;
}

int cdnnl_product_create(cdnnl_context *context, size_t k, size_t n, cdnnl_type type,
                         size_t layout_rows, size_t max_rows, cdnnl_product **result) {
  *result = NULL;
  cdnnl_context_enter(context);
  cdnnl_product *product = calloc(1, sizeof *product);
  if (!product) return dnnl_out_of_memory;
  product->context = context;
  product->k = (dnnl_dim_t)k;
  product->n = (dnnl_dim_t)n;
  product->type = type == cdnnl_bf16 ? dnnl_bf16 : dnnl_f32;
  product->max_rows = max_rows;
  product->by_rows = calloc(max_rows + 1, sizeof *product->by_rows);
  dnnl_status_t status =
      product->by_rows ? choose_layout(product, layout_rows) : dnnl_out_of_memory;
  if (status != dnnl_success) {
    cdnnl_product_destroy(product);
    return status;
  }
  *result = product;
  return dnnl_success;
}

static void sized_product_destroy(struct sized_product *sized) {
  if (!sized) return;
  if (sized->primitive) dnnl_primitive_destroy(sized->primitive);
  if (sized->x) dnnl_memory_destroy(sized->x);
  if (sized->y) dnnl_memory_destroy(sized->y);
  if (sized->scratch) dnnl_memory_destroy(sized->scratch);
  free(sized);
}

void cdnnl_product_destroy(cdnnl_product *product) {
  if (!product) return;
  for (size_t rows = 0; product->by_rows && rows <= product->max_rows; rows++) {
    sized_product_destroy(product->by_rows[rows]);
  }
  free(product->by_rows);
  free(product->scratch);
  desc_free(product->layout);
  if (product->attributes) dnnl_primitive_attr_destroy(product->attributes);
  free(product);
}

size_t cdnnl_product_packed_size(const cdnnl_product *product) {
  return dnnl_memory_desc_get_size(product->layout);
}

int cdnnl_product_prefers_layout(const cdnnl_product *product, size_t rows, bool *same) {
  cdnnl_context_enter(product->context);
  dnnl_primitive_desc_t description;
  TRY(describe(product, rows, NULL, &description));
  *same = dnnl_memory_desc_equal(
      dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0), product->layout);
  dnnl_primitive_desc_destroy(description);
  return dnnl_success;
}

static dnnl_status_t reserve_scratch(cdnnl_product *product, size_t size) {
  if (size <= product->scratch_size) return dnnl_success;
  size_t rounded = (size + 63) / 64 * 64;
  void *grown = aligned_alloc(64, rounded);
  if (!grown) return dnnl_out_of_memory;
  free(product->scratch);
  product->scratch = grown;
  product->scratch_size = rounded;
  return dnnl_success;
}

static dnnl_status_t build(cdnnl_product *product, dnnl_primitive_desc_t description,
                           struct sized_product *sized) {
  dnnl_engine_t engine = product->context->engine;
  TRY(dnnl_primitive_create(&sized->primitive, description));
  TRY(dnnl_memory_create(&sized->x, dnnl_primitive_desc_query_md(description, dnnl_query_src_md, 0),
                         engine, DNNL_MEMORY_NONE));
  TRY(dnnl_memory_create(&sized->y, dnnl_primitive_desc_query_md(description, dnnl_query_dst_md, 0),
                         engine, DNNL_MEMORY_NONE));
  borrowed_desc scratch =
      dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
  size_t size = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
  if (size == 0) return dnnl_success;
  TRY(reserve_scratch(product, size));
  return dnnl_memory_create(&sized->scratch, scratch, engine, DNNL_MEMORY_NONE);
}

int cdnnl_product_prepare(cdnnl_product *product, size_t rows) {
  if (rows == 0 || rows > product->max_rows) return dnnl_invalid_arguments;
  if (product->by_rows[rows]) return dnnl_success;
  cdnnl_context_enter(product->context);
  struct sized_product *sized = calloc(1, sizeof *sized);
  if (!sized) return dnnl_out_of_memory;
  dnnl_primitive_desc_t description = NULL;
  dnnl_status_t status = describe(product, rows, product->layout, &description);
  if (status == dnnl_success) status = build(product, description, sized);
  if (description) dnnl_primitive_desc_destroy(description);
  if (status != dnnl_success) {
    sized_product_destroy(sized);
    return status;
  }
  product->by_rows[rows] = sized;
  return dnnl_success;
}

int cdnnl_product_execute(cdnnl_product *product, size_t rows, const void *x,
                          const cdnnl_weights *weights, float *y) {
  if (rows > product->max_rows) return dnnl_invalid_arguments;
  if (!product->by_rows[rows]) TRY(cdnnl_product_prepare(product, rows));
  struct sized_product *sized = product->by_rows[rows];
  cdnnl_context_enter(product->context);
  /* oneDNN takes void * for inputs too; it only reads x. */
  TRY(dnnl_memory_set_data_handle(sized->x, (void *)x));
  TRY(dnnl_memory_set_data_handle(sized->y, y));
  dnnl_exec_arg_t arguments[4] = {
      {DNNL_ARG_SRC, sized->x}, {DNNL_ARG_WEIGHTS, weights->memory}, {DNNL_ARG_DST, sized->y}};
  int count = 3;
  if (sized->scratch) {
    TRY(dnnl_memory_set_data_handle(sized->scratch, product->scratch));
    arguments[count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, sized->scratch};
  }
  TRY(dnnl_primitive_execute(sized->primitive, product->context->stream, count, arguments));
  return dnnl_stream_wait(product->context->stream);
}

int cdnnl_weights_create(cdnnl_product *product, void *buffer, cdnnl_weights **result) {
  *result = NULL;
  cdnnl_weights *weights = calloc(1, sizeof *weights);
  if (!weights) return dnnl_out_of_memory;
  dnnl_status_t status =
      dnnl_memory_create(&weights->memory, product->layout, product->context->engine, buffer);
  if (status != dnnl_success) {
    cdnnl_weights_destroy(weights);
    return status;
  }
  *result = weights;
  return dnnl_success;
}

void cdnnl_weights_destroy(cdnnl_weights *weights) {
  if (!weights) return;
  if (weights->memory) dnnl_memory_destroy(weights->memory);
  free(weights);
}

int cdnnl_weights_pack(cdnnl_product *product, const float *source, cdnnl_weights *weights) {
  cdnnl_context_enter(product->context);
  dnnl_engine_t engine = product->context->engine;
  owned_desc desc = NULL;
  dnnl_memory_t memory = NULL;
  dnnl_primitive_desc_t description = NULL;
  dnnl_primitive_t primitive = NULL;
  dnnl_status_t status = plain(&desc, product->k, product->n, dnnl_f32);
  if (status == dnnl_success) {
    status = dnnl_memory_create(&memory, desc, engine, (void *)source);
  }
  if (status == dnnl_success) {
    status = dnnl_reorder_primitive_desc_create(
        &description, desc, engine, product->layout, engine, NULL);
  }
  if (status == dnnl_success) status = dnnl_primitive_create(&primitive, description);
  if (status == dnnl_success) {
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, memory}, {DNNL_ARG_TO, weights->memory}};
    status = dnnl_primitive_execute(primitive, product->context->stream, 2, arguments);
  }
  if (status == dnnl_success) status = dnnl_stream_wait(product->context->stream);
  if (primitive) dnnl_primitive_destroy(primitive);
  if (description) dnnl_primitive_desc_destroy(description);
  if (memory) dnnl_memory_destroy(memory);
  desc_free(desc);
  return status;
}
