/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: the few oneDNN operations that Kernels needs, the same for oneDNN 2 and 3. */
#ifndef EPSIM_CDNNLSHIM_H
#define EPSIM_CDNNLSHIM_H

#include <stdbool.h>
#include <stddef.h>

/* Every function that returns int returns a dnnl_status_t; 0 is success. */

/* A CPU engine with its stream. */
typedef struct cdnnl_context cdnnl_context;
/* Products y[n, N] = x[n, K] W[K, N]: one weights layout, one primitive per row count n. */
typedef struct cdnnl_product cdnnl_product;
/* Packed weights of one product, in a buffer that the caller owns. */
typedef struct cdnnl_weights cdnnl_weights;

typedef enum { cdnnl_f32 = 0, cdnnl_bf16 = 1 } cdnnl_type;

const char *cdnnl_status_text(int status);
void cdnnl_library_version(int *major, int *minor, int *patch);
/* Instruction set that oneDNN generates code for, as its documentation spells it. */
const char *cdnnl_instruction_set(void);
/* Whether that instruction set multiplies bf16 pairs natively. */
bool cdnnl_has_native_bf16(void);

/* Fails with "unimplemented" where the threading runtime of the library cannot be limited. */
int cdnnl_context_create(int threads, cdnnl_context **context);
void cdnnl_context_destroy(cdnnl_context *context);

/* Lets oneDNN choose the weights layout for products of `layout_rows` rows. */
int cdnnl_product_create(
    cdnnl_context *context, size_t k, size_t n, cdnnl_type type, size_t layout_rows,
    size_t max_rows, cdnnl_product **product);
void cdnnl_product_destroy(cdnnl_product *product);
size_t cdnnl_product_packed_size(const cdnnl_product *product);
/* Whether oneDNN, left free, would choose the same layout for this row count. */
int cdnnl_product_prefers_layout(const cdnnl_product *product, size_t rows, bool *same);
/* Generates the code for one row count; a second call does nothing. */
int cdnnl_product_prepare(cdnnl_product *product, size_t rows);
/* y is Float, x is of the product's type; prepares the row count if nobody has. */
int cdnnl_product_execute(
    cdnnl_product *product, size_t rows, const void *x, const cdnnl_weights *weights, float *y);

/* `buffer`: packed_size bytes, 64-byte aligned, alive until destroy. */
int cdnnl_weights_create(cdnnl_product *product, void *buffer, cdnnl_weights **weights);
void cdnnl_weights_destroy(cdnnl_weights *weights);
/* Converts and reorders Float [K, N] into the weights. */
int cdnnl_weights_pack(cdnnl_product *product, const float *source, cdnnl_weights *weights);

#endif
