/* The attention of encoder-decoder models before the transformer: attention (attention.h)
 * whose scores are computed in another way.
 *
 *   CLATTN_ADDITIVE        s_j = w . tanh(Wq q_i + Wk k_j + b)    Bahdanau, Cho, Bengio 2014
 *   CLATTN_LUONG_DOT       s_j = q_i . k_j                        Luong, Pham, Manning 2015
 *   CLATTN_LUONG_GENERAL   s_j = q_i . Wk k_j
 *   CLATTN_LUONG_CONCAT    s_j = w . tanh(W [q_i; k_j] + b)
 *
 * The rest is attention's: s is multiplied by the scale, which is 1 here if it is 0,
 * then come softcap, bias, ALiBi, masks, sinks, softmax and the sum of values, in tiles
 * or rows with a running softmax.  Out, lse and rows that see nothing are as there.
 *
 * Queries and keys are projected first, each row once, and meet in head_dim columns (the
 * papers' size of the alignment model).  Every head has rows of its own in the weights, as
 * in multi-head attention: one product projects for all heads, and a head may look at the
 * whole state.  With one head these are the papers' forms.
 *
 * A decoder that asks for one word at a time need not project the sentence anew: it makes
 * Wk k_j once with clattn_project, and an op with key_dim = 0 takes that as k. */
#ifndef CLATTN_CLASSIC_H
#define CLATTN_CLASSIC_H

#include <clattn/attention.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clattn_classic_kind {
    CLATTN_ADDITIVE,
    CLATTN_LUONG_DOT,
    CLATTN_LUONG_GENERAL,
    CLATTN_LUONG_CONCAT
} clattn_classic_kind;

typedef struct clattn_classic_desc {
    clattn_attention_desc attention; /* head_dim is 1..2048 and value_dim too, where scores are
                                        additive or concat; there split_keys must be 0, and
                                        weights_stage softmax or masked.  kernel names one of
                                        clattn_classic_variants.  Keys lie in order: kv_type,
                                        page_rows, ring and packed stay 0. */
    clattn_classic_kind kind;
    int32_t query_dim; /* columns of q; 0 = it comes projected, as in attention.h.  Concat needs it,
                          dot and general project no queries. */
    int32_t key_dim;   /* columns of k; 0 = it comes projected.  General and concat need it, dot
                          projects no keys. */
    bool bias; /* run is given b, which is added to the projected queries: needs query_dim */
    clattn_tensor wq, wk, w_concat; /* optional: the weights, if they never change.  Then run is
                                       given none.  As clattn_project_desc.weight. */
} clattn_classic_desc;

typedef struct clattn_classic_args {
    /* As in attention.h, but for q {batch, n_q, 1, query_dim} and k {batch, n_k, 1, key_dim} where
     * these are projected (rows behind kv_length too, which then nobody sees).  scratch stays
     * absent. */
    clattn_attention_args attention;
    clattn_tensor wq;       /* {1, query_heads * head_dim, 1, query_dim}, with query_dim */
    clattn_tensor wk;       /* {1, kv_heads * head_dim, 1, key_dim}, with key_dim */
    clattn_tensor w_concat; /* concat: instead of both, {1, query_heads * head_dim, 1,
                               query_dim + key_dim}; kv_heads must be query_heads */
    clattn_tensor b;        /* {1, 1, 1, query_heads * head_dim}, with desc.bias */
    clattn_tensor w;        /* {1, 1, query_heads|1, head_dim}; additive and concat */
    cl_mem scratch; /* clattn_classic_scratch() bytes, not shared by concurrent runs; NULL = taken
                     * for this call.  Weights in another order, or f16 and bf16 widened for a
                     * library, take more for the call itself. */
} clattn_classic_args;

/* Projected queries and keys are f32 for additive scores, and of desc.attention.type for dot
 * products.  What comes projected is of that type in both. */
CLATTN_API clattn_status clattn_classic_create(clattn_context *context,
                                               const clattn_classic_desc *desc, clattn_op **out);

/* Kernels of the scores, best first: of attention for dot and general. */
CLATTN_API clattn_status clattn_classic_variants(clattn_context *context,
                                                 const clattn_classic_desc *desc,
                                                 clattn_variant_report *report, void *user);

/* Bytes that run with these args needs; 0 = none, or sizes that run refuses. */
CLATTN_API size_t clattn_classic_scratch(const clattn_op *op, const clattn_classic_args *args);

/* Enqueues; never blocks, never compiles.  n_q = 0 or batch = 0 is a call without work. */
CLATTN_API clattn_status clattn_classic_run(const clattn_op *op, cl_command_queue queue,
                                            const clattn_classic_args *args, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_CLASSIC_H */
