/* What stands around attention in a transformer (Vaswani et al. 2017): projections
 * and the whole multi-head attention layer made of them; norms, rotary positions,
 * activations, the feed-forward, embeddings; softmax and the largest of a row.
 *
 * Each op after the layer, but the feed-forward, is one kernel over rows.  Its tensors have any
 * strides; sizes are up to 2^30.  A call in which batch, rows or heads are 0 has no work.  Sums are
 * f32. An output overlaps no other operand, but may be, exactly, an input that its comment names
 * ("or x itself"): then the op works in place. */
#ifndef CLATTN_BLOCK_H
#define CLATTN_BLOCK_H

#include <clattn/attention.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Kinds of activation ------------------------------------------------- */

typedef enum clattn_activation {
    CLATTN_IDENTITY,  /* x: none */
    CLATTN_RELU,      /* max(x, 0) */
    CLATTN_GELU,      /* x (1 + erf(x / sqrt(2))) / 2 (Hendrycks and Gimpel 2016) */
    CLATTN_GELU_TANH, /* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, its approximation */
    CLATTN_SILU       /* x / (1 + exp(-x)) */
} clattn_activation;

/* ---- Projection: y = act(x W^T + bias), gated and added to at will ---------- */

typedef struct clattn_project_desc {
    int32_t in_dim;               /* columns of x; required */
    int32_t out_dim;              /* columns of y; required */
    clattn_type type;             /* of x, weight and bias: F32, F16 or BF16; sums are always f32 */
    clattn_type out_type;         /* of y: F32, F16 or BF16 */
    bool bias;                    /* run will be given one */
    clattn_activation activation; /* of the sum, before it is rounded to out_type */
    bool gated; /* weight and bias have 2 * out_dim rows, W's and then U's: y = act(x W^T + bias) *
                 * (x U^T + bias) (Shazeer 2020) */
    bool residual;        /* run will be given one, which is added last */
    const char *kernel;   /* force a variant by name ("wide", "clblast", "plain"); NULL = best that
                             fits */
    clattn_tensor weight; /* optional: {1, out_dim, 1, in_dim} (gated: 2 * out_dim), if it never
                           * changes.  Then run is given none: create puts it in the order its
                           * kernel wants, once, and owns that copy; kernels that take it as it lies
                           * keep the caller's buffer instead (retained). */
    const char *params;   /* with kernel: as in clattn_attention_desc */
    clattn_type weight_type; /* of weight, if it is not type: F16, BF16 or in blocks; 0 = type, or
                              * that of the weight given here.  Weights in blocks are read as
                              * they lie and widened in the kernel: offset, strides and in_dim
                              * still count elements, and are whole blocks. */
} clattn_project_desc;

/* x and y may be split in heads: {batch, rows, heads, columns} with heads * columns
 * equal to in_dim or out_dim and the heads of a row side by side (stride[2] =
 * columns), so y can be the q that attention reads, and x the out it wrote. */
typedef struct clattn_project_args {
    clattn_tensor x;        /* {batch, rows, heads, in_dim / heads} */
    clattn_tensor weight;   /* {1, out_dim, 1, in_dim}: [out, in] as in checkpoints; absent if desc
                               has it */
    clattn_tensor bias;     /* {1, 1, 1, out_dim}, required with desc.bias */
    clattn_tensor residual; /* as y, of the same type; required with desc.residual */
    clattn_tensor y; /* {batch, rows, heads, out_dim / heads}; may not overlap inputs, but may
                      * be the residual itself */
    cl_mem scratch;  /* clattn_project_scratch() bytes; NULL = taken for this call */
} clattn_project_args;

CLATTN_API clattn_status clattn_project_create(clattn_context *context,
                                               const clattn_project_desc *desc, clattn_op **out);
CLATTN_API clattn_status clattn_project_variants(clattn_context *context,
                                                 const clattn_project_desc *desc,
                                                 clattn_variant_report *report, void *user);
CLATTN_API const char *clattn_project_kernel(const clattn_op *op, const clattn_project_args *args);
CLATTN_API size_t clattn_project_scratch(const clattn_op *op, const clattn_project_args *args);
CLATTN_API clattn_status clattn_project_run(const clattn_op *op, cl_command_queue queue,
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

CLATTN_API clattn_status clattn_mha_create(clattn_context *context, const clattn_mha_desc *desc,
                                           clattn_op **out);
CLATTN_API size_t clattn_mha_scratch(const clattn_op *op, const clattn_mha_args *args);
CLATTN_API clattn_status clattn_mha_run(const clattn_op *op, cl_command_queue queue,
                                        const clattn_mha_args *args, cl_event *event);

/* The attention of a run as clattn_attention_run was given it, for what explains it
 * (clattn/attribution.h): args.attention with q, k, v and out, which lie in args.scratch (required)
 * and stay there until that is used again. */
CLATTN_API clattn_status clattn_mha_attention(const clattn_op *op, const clattn_mha_args *args,
                                              clattn_attention_args *attention);

/* ---- Norms: RMSNorm (Zhang and Sennrich 2019), LayerNorm (Ba et al. 2016) --- */

typedef enum clattn_norm_kind {
    CLATTN_RMS_NORM,  /* y = x / sqrt(mean of x^2 + epsilon) * weight + bias */
    CLATTN_LAYER_NORM /* y = (x - mean) / sqrt(variance + epsilon) * weight + bias; the
                         variance is taken about the mean, so a large mean costs no digits */
} clattn_norm_kind;

typedef struct clattn_norm_desc {
    clattn_norm_kind kind;
    clattn_type type;        /* of x, residual and sum: F32, F16 or BF16 */
    clattn_type weight_type; /* of weight and bias, the same */
    clattn_type out_type;    /* of y, the same */
    bool weight, bias;       /* run will be given them */
    bool residual;           /* the same: x + residual is normalised instead of x */
    bool sum;                /* the same: it keeps x + residual */
    float epsilon;           /* 0 = 1e-5 */
    const char *kernel;      /* force a variant by name ("norm_wide"); NULL = best that fits */
} clattn_norm_desc;

/* Over the columns of each row and head: heads of a query or key are normalised apart,
 * a row of a model as one head.  Squares must fit f32: values up to 1e19 / columns. */
typedef struct clattn_norm_args {
    clattn_tensor x;        /* {batch, rows, heads, columns}, columns at least 1 */
    clattn_tensor residual; /* as x, required with desc.residual */
    clattn_tensor weight;   /* {1, 1, 1, columns}, required with desc.weight */
    clattn_tensor bias;     /* {1, 1, 1, columns}, required with desc.bias */
    clattn_tensor sum;      /* out, as x, required with desc.sum: x + residual, rounded to type
                             * before it is normalised; or x or residual itself */
    clattn_tensor y;        /* out, as x of out_type; or x or residual itself */
    clattn_tensor mean;     /* out, optional, F32 {batch, rows, heads, 1}; 0 for RMSNorm */
    clattn_tensor inverse;  /* out, optional, as mean: 1 / sqrt(.. + epsilon) */
} clattn_norm_args;

CLATTN_API clattn_status clattn_norm_create(clattn_context *context, const clattn_norm_desc *desc,
                                            clattn_op **out);
CLATTN_API clattn_status clattn_norm_variants(clattn_context *context, const clattn_norm_desc *desc,
                                              clattn_variant_report *report, void *user);
CLATTN_API clattn_status clattn_norm_run(const clattn_op *op, cl_command_queue queue,
                                         const clattn_norm_args *args, cl_event *event);

/* ---- Rotary position embedding (Su et al. 2021) ---------------------------- */

/* What becomes of f_c = base^(-2c / rotary_dim), the frequency of pair c, for contexts longer than
 * those a model was trained with:
 *
 *   linear   f_c / factor (Chen et al. 2023)
 *   NTK      base grows to base * factor^(R / (R - 2)), R being rotary_dim
 *   YaRN     f_c up to pair low, f_c / factor from pair high on, a line between; low and high are
 *            the pairs that make beta_fast and beta_slow turns in the original length, rounded
 *            outwards; cos and sin are multiplied by magnitude (Peng et al. 2023, with the line
 *            over pairs rather than turns, as models in use have it)
 *   Llama-3  f_c where its wave is shorter than original / high_factor, f_c / factor where it is
 *            longer than original / low_factor, a line over 1 / wave length between */
typedef enum clattn_rope_scaling {
    CLATTN_ROPE_UNSCALED,
    CLATTN_ROPE_LINEAR,
    CLATTN_ROPE_NTK,
    CLATTN_ROPE_YARN,
    CLATTN_ROPE_LLAMA3
} clattn_rope_scaling;

typedef struct clattn_rope_desc {
    int32_t head_dim;   /* columns of q and k; required, 2..512 */
    int32_t rotary_dim; /* the first columns are turned, others kept; even; 0 = head_dim */
    bool interleaved;   /* pairs 2c, 2c + 1 ("GPT-J") instead of c, c + rotary_dim / 2 ("NeoX") */
    clattn_type type;   /* of q and k: F32, F16 or BF16 */
    bool tables;        /* run is given cos and sin; then base to divisors are absent */
    clattn_type table_type; /* of cos and sin: F32, F16 or BF16 */
    float base;             /* greater than 1; 0 = 10000 */
    clattn_rope_scaling scaling;
    float factor;                  /* of context lengths, new / original; required with scaling */
    int32_t original;              /* context length trained with; required: YaRN, Llama-3 */
    float beta_fast, beta_slow;    /* YaRN; 0 = 32 and 1 */
    float magnitude;               /* YaRN; 0 = 0.1 ln(factor) + 1 */
    float low_factor, high_factor; /* Llama-3; 0 = 1 and 4 */
    const float *divisors;         /* optional, rotary_dim / 2 numbers that divide the f_c once
                                    * scaled: a checkpoint's own */
    const char *kernel;            /* force a variant by name; NULL = best that fits */
} clattn_rope_desc;

/* Row i of batch entry b has position positions[b,i], else start[b] + i, else i.  Angles are
 * multiplied out in two floats, frequencies come from double: cos and sin are right to 1e-6 at
 * any position up to 2^24, negative ones too, and no table limits it.
 *
 * cos and sin of the caller are a cache {1, P, 1, rotary_dim / 2} whose row is the position,
 * where positions or start are given; without these {batch|1, rows, 1, rotary_dim / 2}, row i's
 * own.  A position outside a cache is not read: there cos and sin count as 0. */
typedef struct clattn_rope_args {
    clattn_tensor q;         /* {batch, rows, query_heads, head_dim} */
    clattn_tensor k;         /* optional, {batch, rows, kv_heads, head_dim} */
    clattn_tensor q_out;     /* out, as q; or q itself; absent = q itself */
    clattn_tensor k_out;     /* out, as k; or k itself; absent = k itself */
    clattn_tensor positions; /* optional, I32 {batch|1, rows, 1, 1} */
    clattn_tensor start;     /* optional, I32 {batch|1, 1, 1, 1}; not with positions */
    clattn_tensor cos, sin;  /* required with desc.tables */
} clattn_rope_args;

CLATTN_API clattn_status clattn_rope_create(clattn_context *context, const clattn_rope_desc *desc,
                                            clattn_op **out);
CLATTN_API clattn_status clattn_rope_variants(clattn_context *context, const clattn_rope_desc *desc,
                                              clattn_variant_report *report, void *user);
CLATTN_API clattn_status clattn_rope_run(const clattn_op *op, cl_command_queue queue,
                                         const clattn_rope_args *args, cl_event *event);

/* ---- Activations: y = act(x) * up + residual ------------------------------- */

typedef struct clattn_activation_desc {
    clattn_activation kind;
    clattn_type type;     /* of x, up and residual: F32, F16 or BF16 */
    clattn_type out_type; /* of y, the same */
    bool gated;           /* run will be given up */
    bool residual;        /* and residual */
    const char *kernel;   /* force a variant by name; NULL = best that fits */
} clattn_activation_desc;

/* With up this is a gated form (Shazeer 2020), x being the gate: SwiGLU by SILU, GEGLU by
 * GELU.  Halves of one fused tensor are two views of its buffer. */
typedef struct clattn_activation_args {
    clattn_tensor x;        /* {batch, rows, heads, columns} */
    clattn_tensor up;       /* as x, required with desc.gated; else 1 */
    clattn_tensor residual; /* as x, required with desc.residual; else 0 */
    clattn_tensor y;        /* out, as x of out_type; or x, up or residual itself */
} clattn_activation_args;

CLATTN_API clattn_status clattn_activation_create(clattn_context *context,
                                                  const clattn_activation_desc *desc,
                                                  clattn_op **out);
CLATTN_API clattn_status clattn_activation_variants(clattn_context *context,
                                                    const clattn_activation_desc *desc,
                                                    clattn_variant_report *report, void *user);
CLATTN_API clattn_status clattn_activation_run(const clattn_op *op, cl_command_queue queue,
                                               const clattn_activation_args *args, cl_event *event);

/* ---- Feed-forward: y = down(act(up(x))), or down(act(gate(x)) * up(x)) ---------- */

/* y = x W^T + bias; bias is optional. */
typedef struct clattn_linear {
    clattn_tensor weight; /* {1, out, 1, in} */
    clattn_tensor bias;   /* {1, 1, 1, out} */
} clattn_linear;

/* Vaswani et al. 2017; with a gate Shazeer 2020: SwiGLU by SILU, GEGLU by GELU.  Weights are F32,
 * F16, BF16 or in blocks, each its own, and used as create found them: it keeps packed copies, or
 * retains the buffers. */
typedef struct clattn_ffn_desc {
    int32_t model_dim;    /* columns of x and y; required */
    int32_t hidden_dim;   /* between up and down; required */
    clattn_type type;     /* of x, biases and what lies between: F32, F16 or BF16 */
    clattn_type out_type; /* of y, the same */
    clattn_activation activation;
    bool gated;
    bool residual;          /* run will be given one, which is added last */
    clattn_linear up, gate; /* out hidden_dim, in model_dim; gate with gated alone */
    clattn_linear gate_up;  /* with gated, instead of both: the gate's rows, then up's; one product
                             * with nothing of its own in memory but what down reads */
    clattn_linear down;     /* out model_dim, in hidden_dim */
    const char *kernel;     /* force the projections' variant by name; NULL = best that fits */
} clattn_ffn_desc;

typedef struct clattn_ffn_args {
    clattn_tensor x;        /* {batch, rows, 1, model_dim} */
    clattn_tensor residual; /* as y; required with desc.residual */
    clattn_tensor y;        /* out, as x of out_type; or x or the residual itself */
    cl_mem scratch; /* clattn_ffn_scratch() bytes; NULL = taken for this call.  Widening f16 or
                     * bf16 for a library's f32 product takes more for the call itself. */
} clattn_ffn_args;

CLATTN_API clattn_status clattn_ffn_create(clattn_context *context, const clattn_ffn_desc *desc,
                                           clattn_op **out);
CLATTN_API size_t clattn_ffn_scratch(const clattn_op *op, const clattn_ffn_args *args);
CLATTN_API clattn_status clattn_ffn_run(const clattn_op *op, cl_command_queue queue,
                                        const clattn_ffn_args *args, cl_event *event);

/* ---- Embedding: rows of tables, added up ----------------------------------- */

typedef struct clattn_embed_desc {
    clattn_type type;     /* of the tables: F32, F16 or BF16 */
    clattn_type out_type; /* of y, the same */
    float scale;          /* of the rows of table alone; 0 = 1 */
    const char *kernel;   /* force a variant by name; NULL = best that fits */
} clattn_embed_desc;

/* y[b,i] = scale * table[ids[b,i]] + position_table[position_ids[b,i]] + type_table[type_ids[b,i]]
 * (BERT's three, Devlin et al. 2018).  An id outside its table reads nothing and adds 0. */
typedef struct clattn_embed_args {
    clattn_tensor ids;            /* I32 {batch, rows, 1, 1} */
    clattn_tensor table;          /* {1, vocabulary, 1, columns} */
    clattn_tensor position_ids;   /* optional, I32 {batch|1, rows, 1, 1}; absent = 0, 1, 2, .. */
    clattn_tensor position_table; /* optional, {1, any, 1, columns} */
    clattn_tensor type_ids;       /* optional, as position_ids; absent = 0 */
    clattn_tensor type_table;     /* optional, {1, any, 1, columns} */
    clattn_tensor y;              /* out, {batch, rows, 1, columns} of out_type */
} clattn_embed_args;

CLATTN_API clattn_status clattn_embed_create(clattn_context *context, const clattn_embed_desc *desc,
                                             clattn_op **out);
CLATTN_API clattn_status clattn_embed_variants(clattn_context *context,
                                               const clattn_embed_desc *desc,
                                               clattn_variant_report *report, void *user);
CLATTN_API clattn_status clattn_embed_run(const clattn_op *op, cl_command_queue queue,
                                          const clattn_embed_args *args, cl_event *event);

/* ---- Softmax over the columns of rows: logits to probabilities -------------- */

typedef struct clattn_softmax_desc {
    clattn_type type;     /* of x: F32, F16 or BF16 */
    clattn_type out_type; /* of y, the same */
    const char *kernel;   /* force a variant by name; NULL = best that fits */
} clattn_softmax_desc;

/* y = exp(x / temperature) / their sum.  -inf gives 0, a row of nothing else gives zeros; a
 * row with NaN or +inf is NaN, others are not. */
typedef struct clattn_softmax_args {
    clattn_tensor x;   /* {batch, rows, heads, columns} */
    clattn_tensor y;   /* out, as x of out_type; or x itself */
    float temperature; /* positive; 0 = 1 */
} clattn_softmax_args;

CLATTN_API clattn_status clattn_softmax_create(clattn_context *context,
                                               const clattn_softmax_desc *desc, clattn_op **out);
CLATTN_API clattn_status clattn_softmax_variants(clattn_context *context,
                                                 const clattn_softmax_desc *desc,
                                                 clattn_variant_report *report, void *user);
CLATTN_API clattn_status clattn_softmax_run(const clattn_op *op, cl_command_queue queue,
                                            const clattn_softmax_args *args, cl_event *event);

/* ---- The k largest of each row ---------------------------------------------- */

typedef struct clattn_topk_desc {
    int32_t k;          /* required, 1..1024 */
    clattn_type type;   /* of x and values: F32, F16 or BF16 */
    const char *kernel; /* force a variant by name; NULL = best that fits */
} clattn_topk_desc;

/* In descending order; of equal ones the lower column first, and 0 equals -0.  NaN counts as
 * larger than every number, so that it shows. */
typedef struct clattn_topk_args {
    clattn_tensor x;       /* {batch, rows, heads, columns}, columns at least k */
    clattn_tensor values;  /* out, {batch, rows, heads, k} */
    clattn_tensor indices; /* out, I32 {batch, rows, heads, k}: their columns */
} clattn_topk_args;

CLATTN_API clattn_status clattn_topk_create(clattn_context *context, const clattn_topk_desc *desc,
                                            clattn_op **out);
CLATTN_API clattn_status clattn_topk_variants(clattn_context *context, const clattn_topk_desc *desc,
                                              clattn_variant_report *report, void *user);
CLATTN_API clattn_status clattn_topk_run(const clattn_op *op, cl_command_queue queue,
                                         const clattn_topk_args *args, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_BLOCK_H */
