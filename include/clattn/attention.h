/* Scaled dot-product attention, forward, computed in tiles or rows with a
 * running softmax (Milakov and Gimelshein 2018; Dao et al. 2022): memory is
 * linear in the number of rows, no n_q x n_k matrix exists unless weights are
 * asked for.
 *
 * For query row i of head h, with kv head g = h / (query_heads / kv_heads) and
 * position p_i = i + offset:
 *
 *   s_j  = scale * (q_i . k_j)                         over head_dim
 *   s_j  = softcap * tanh(s_j / softcap)               if softcap
 *   s_j += bias[b,i,h,j]  - slope_h * |p_i - j|        if given
 *   key j is visible iff  j < kv_length[b], j <= p_i (causal),
 *                         p_i - left <= j <= p_i + right (window),
 *                         mask[b,i,h,j] != 0 and s_j > -inf
 *   p    = softmax of s over the visible keys and the sink
 *   out  = sum_j p_j v_j,   lse = log(sum_j exp(s_j) + exp(sink))
 *
 * A row that sees no key gives out = 0 and lse = -inf (or its sink).  What is not
 * visible never touches the result, even where it holds NaN; rows behind
 * kv_length are not read.  NaN in a visible input reaches the rows that see it
 * and no other. */
#ifndef CLATTN_ATTENTION_H
#define CLATTN_ATTENTION_H

#include <clattn/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clattn_align {                      /* where query 0 stands among the keys */
                            CLATTN_BOTTOM_RIGHT, /* the last query stands at the last key in use:
                                                    offset = kv_length[b] - n_q */
                            CLATTN_TOP_LEFT,     /* at key 0 */
                            CLATTN_OFFSET        /* at key args.offset[b] */
} clattn_align;

typedef struct clattn_window {
    bool on;
    int32_t left, right; /* keys before and after the query's position, inclusive; negative =
                            unbounded */
} clattn_window;

enum { /* optional arguments that run will be given and kernels are specialised for */
       CLATTN_WITH_BIAS = 1,
       CLATTN_WITH_MASK = 2,
       CLATTN_WITH_ALIBI = 4,
       CLATTN_WITH_WEIGHTS = 8
};

typedef enum clattn_stage {                       /* what args.weights receives */
                            CLATTN_STAGE_SOFTMAX, /* probabilities; 0 where a key is not visible */
                            CLATTN_STAGE_SCORES,  /* scale * q.k of every key in use; 0 behind
                                                     kv_length */
                            CLATTN_STAGE_SOFTCAP, /* the same after softcap */
                            CLATTN_STAGE_MASKED /* after bias, ALiBi and masks; -inf where a key is
                                                   not visible */
} clattn_stage;

/* What is known once per model: everything a kernel is compiled for. */
typedef struct clattn_attention_desc {
    int32_t head_dim;     /* columns of q and k; required, 1..512 */
    int32_t value_dim;    /* columns of v, 1..512; 0 = head_dim */
    int32_t query_heads;  /* required */
    int32_t kv_heads;     /* 0 = query_heads; must divide it (1 = multi-query) */
    clattn_type type;     /* of q, k, v: F32, F16 or BF16; sums are always f32 */
    clattn_type out_type; /* of out: F32, F16 or BF16 */
    bool causal;
    clattn_align align;
    clattn_window window;
    float scale;        /* 0 = 1/sqrt(head_dim) */
    float softcap;      /* s -> softcap * tanh(s / softcap), before bias and mask; 0 = off */
    uint32_t with;      /* CLATTN_WITH_* */
    const char *kernel; /* force a variant by name ("tiled" or "attention/tiled"); NULL = best that
                           fits */
    clattn_stage weights_stage; /* with CLATTN_WITH_WEIGHTS */
    clattn_type bias_type;      /* with CLATTN_WITH_BIAS: F32, F16 or BF16 */
    int32_t split_keys;  /* keys per part where a call with few queries is split over cores; 0 = by
                          * batch and device.  A fixed number gives the same bits whatever the batch.
                          */
    const char *params;  /* with kernel: values for its parameters, "VECTORS=2 KEYS=8", the rest
                            built in (clattn/tune.h); NULL = what was kept by tuning, else built in
                          */
    clattn_type kv_type; /* of k and v, where it is narrower than type: F16, BF16 or I8; 0 = type */
    int32_t page_rows;   /* rows of a page, where k and v lie on pages; 0 = they do not */
    bool ring;           /* k and v keep the newest rows only: row j lies at j mod k.size[1] */
    bool packed;         /* sequences of any length one after the other (args.q_start) */
} clattn_attention_desc;

/* What changes per call.  An axis written x|1 may have size 1 and is then
 * repeated.  n_q = 0 or batch = 0 is a call without work; n_k = 0 gives empty rows. */
typedef struct clattn_attention_args {
    clattn_tensor q;     /* {batch, n_q, query_heads, head_dim} */
    clattn_tensor k;     /* {batch, n_k, kv_heads, head_dim} */
    clattn_tensor v;     /* {batch, n_k, kv_heads, value_dim} */
    clattn_tensor out;   /* {batch, n_q, query_heads, value_dim}; may not overlap inputs */
    clattn_tensor bias;  /* {batch|1, n_q|1, query_heads|1, n_k}, added to the scaled scores; -inf =
                            not visible */
    clattn_tensor mask;  /* as bias, U8: nonzero = visible */
    clattn_tensor alibi; /* F32 {batch|1, 1, query_heads, 1}: slopes (Press et al. 2021) */
    clattn_tensor sinks; /* F32 {1, 1, query_heads, 1}: an unscaled score that takes mass and has no
                            value */
    clattn_tensor kv_length; /* I32 {batch, 1, 1, 1}: rows of k and v in use, clamped to 0..n_k;
                                absent = n_k */
    clattn_tensor offset; /* I32 {batch|1, 1, 1, 1}, required with CLATTN_OFFSET; may be negative */
    clattn_tensor lse;    /* out, optional, F32 {batch, n_q, query_heads, 1}: natural log */
    clattn_tensor weights; /* out, F32 {batch, n_q, query_heads, n_k}, required with
                              CLATTN_WITH_WEIGHTS */
    cl_mem scratch;        /* clattn_attention_scratch() bytes, not shared by concurrent runs;
                            * NULL = taken for this call and given back when its commands finish */
    /* With desc.page_rows: k and v are {pages, page_rows, kv_heads, ..}, and row j of batch entry b
     * is row j % page_rows of page page_table[b][j / page_rows].  n_k is page_rows times its
     * columns. */
    clattn_tensor page_table; /* I32 {batch, 1, 1, most pages}; entries behind kv_length are not
                                 read; numbers out of range are clamped to a page that is there */
    /* With desc.packed: q, out and lse have batch 1 and hold all rows; so have k and v, unless they
     * lie on pages.  The batch is the number of sequences. */
    clattn_tensor q_start; /* I32 {1, 1, 1, sequences + 1}: rising; rows q_start[s] .. q_start[s +
                              1] are sequence s; clamped to the rows that are there */
    clattn_tensor k_start; /* the same for k and v, if they are packed */
    int32_t most_queries;  /* rows of the longest sequence, or more; 0 = all rows of q.  What is
                              longer  is not computed. */
    /* With kv_type I8: a number is i8 * scale, one F32 scale for every 32 columns of a row. */
    clattn_tensor k_scale; /* F32, as k with (head_dim + 31) / 32 columns */
    clattn_tensor v_scale; /* F32, as v with (value_dim + 31) / 32 columns */
} clattn_attention_args;

/* Chooses the best kernel that fits the device and compiles it. */
CLATTN_API clattn_status clattn_attention_create(clattn_context *context,
                                                 const clattn_attention_desc *desc,
                                                 clattn_op **out);

/* Every kernel of this op, best first, and why each would or would not serve desc. */
CLATTN_API clattn_status clattn_attention_variants(clattn_context *context,
                                                   const clattn_attention_desc *desc,
                                                   clattn_variant_report *report, void *user);

/* The kernel that run with these args takes, as clattn_op_kernel: calls with few queries may take
 * another.  Lives as long as the op; "" if either is NULL. */
CLATTN_API const char *clattn_attention_kernel(const clattn_op *op,
                                               const clattn_attention_args *args);

/* Bytes that run with these args needs; 0 = none. */
CLATTN_API size_t clattn_attention_scratch(const clattn_op *op, const clattn_attention_args *args);

/* Enqueues; never blocks, never compiles.  event is optional, the caller releases it. */
CLATTN_API clattn_status clattn_attention_run(const clattn_op *op, cl_command_queue queue,
                                              const clattn_attention_args *args, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_ATTENTION_H */
