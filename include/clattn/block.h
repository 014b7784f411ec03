/* What stands around attention in a transformer (Vaswani et al. 2017): the
 * projections and the whole multi-head attention layer made of them. */
#ifndef CLATTN_BLOCK_H
#define CLATTN_BLOCK_H

#include <clattn/attention.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Projection: y = x W^T + bias ---------------------------------------- */

typedef struct clattn_project_desc {
    int32_t in_dim;       /* columns of x; required */
    int32_t out_dim;      /* columns of y; required */
    clattn_type type;     /* of x, weight and bias: F32, F16 or BF16; sums are always f32 */
    clattn_type out_type; /* of y: F32, F16 or BF16 */
    bool bias;            /* run will be given one */
    const char *kernel;   /* force a variant by name ("wide", "clblast", "plain"); NULL = best that
                             fits */
    clattn_tensor weight; /* optional: {1, out_dim, 1, in_dim}, if it never changes.  Then run is
                           * given none: create puts it in the order its kernel wants, once, and
                           * owns that copy; kernels that take it as it lies keep the caller's
                           * buffer instead (retained). */
    const char *params;   /* with kernel: as in clattn_attention_desc */
} clattn_project_desc;

/* x and y may be split in heads: {batch, rows, heads, columns} with heads * columns
 * equal to in_dim or out_dim and the heads of a row side by side (stride[2] =
 * columns), so y can be the q that attention reads, and x the out it wrote. */
typedef struct clattn_project_args {
    clattn_tensor x;      /* {batch, rows, heads, in_dim / heads} */
    clattn_tensor weight; /* {1, out_dim, 1, in_dim}: [out, in] as in checkpoints; absent if desc
                             has it */
    clattn_tensor bias;   /* {1, 1, 1, out_dim}, required with desc.bias */
    clattn_tensor y;      /* {batch, rows, heads, out_dim / heads}; may not overlap inputs */
    cl_mem scratch;       /* clattn_project_scratch() bytes; NULL = taken for this call */
} clattn_project_args;

clattn_status clattn_project_create(clattn_context *context, const clattn_project_desc *desc,
                                    clattn_op **out);
clattn_status clattn_project_variants(clattn_context *context, const clattn_project_desc *desc,
                                      clattn_variant_report *report, void *user);
const char *clattn_project_kernel(const clattn_op *op, const clattn_project_args *args);
size_t clattn_project_scratch(const clattn_op *op, const clattn_project_args *args);
clattn_status clattn_project_run(const clattn_op *op, cl_command_queue queue,
                                 const clattn_project_args *args, cl_event *event);

/* ---- Multi-head attention: x -> q, k, v -> attention -> output projection - */

typedef struct clattn_mha_desc {
    clattn_attention_desc attention; /* type is that of x, context, weights and biases; out_type
                                        that of out */
    int32_t model_dim;               /* columns of x; required */
    int32_t context_dim;             /* columns of context; 0 = model_dim */
    int32_t out_dim; /* columns of out; 0 = no output projection: query_heads * value_dim */
    bool fused;      /* run is given wqkv (and bqkv) instead of three; only without context */
    bool qkv_bias;   /* run is given bq, bk, bv or bqkv */
    bool out_bias;   /* run is given bo */
} clattn_mha_desc;

typedef struct clattn_mha_args {
    clattn_tensor x;       /* {batch, n_q, 1, model_dim} */
    clattn_tensor context; /* {batch, n_k, 1, context_dim}: source of keys and values; absent = x */
    clattn_tensor wq;      /* {1, query_heads * head_dim, 1, model_dim} */
    clattn_tensor wk;      /* {1, kv_heads * head_dim, 1, context_dim} */
    clattn_tensor wv;      /* {1, kv_heads * value_dim, 1, context_dim} */
    clattn_tensor wqkv;    /* the three stacked in this order */
    clattn_tensor bq, bk, bv, bqkv;  /* {1, 1, 1, as many columns as their weight has rows} */
    clattn_tensor wo;                /* {1, out_dim, 1, query_heads * value_dim} */
    clattn_tensor bo;                /* {1, 1, 1, out_dim} */
    clattn_tensor out;               /* {batch, n_q, 1, out_dim}; may not overlap inputs */
    clattn_attention_args attention; /* its optional operands and outputs; q, k, v, out and scratch
                                        stay absent */
    cl_mem scratch; /* clattn_mha_scratch() bytes; NULL = taken for this call.  Widening f16 or bf16
                     * for a library's f32 product takes more for the call itself. */
} clattn_mha_args;

clattn_status clattn_mha_create(clattn_context *context, const clattn_mha_desc *desc,
                                clattn_op **out);
size_t clattn_mha_scratch(const clattn_op *op, const clattn_mha_args *args);
clattn_status clattn_mha_run(const clattn_op *op, cl_command_queue queue,
                             const clattn_mha_args *args, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_BLOCK_H */
