/* Attribution: how the attention of each query is divided over the sources of its keys.
 *
 * The keys are cut into spans (documents, paragraphs, tokens).  For query row i of a head, with s_j
 * as in clattn/attention.h and the lse that attention gave,
 *
 *   p_j     = exp(s_j - lse_i) of the keys it sees, else 0
 *   mass[s] = sum of p_j over the keys of span s
 *
 * or, value-weighted (Kobayashi et al. 2020), of p_j |v_j| / (sum over all keys of p_j |v_j|).
 * A sink is a span of its own, the last, if sinks are given; value-weighted its mass is 0, as it
 * has no value.  So the masses of a row sum to 1; where it sees nothing, or nothing but values of
 * 0, they are 0.  With the lse of several parts merged, they are shares of the whole.
 *
 * One walk over the keys, two if value-weighted; memory for rows times spans at most: the n_q x n_k
 * matrix does not exist, unless every key is a span and every row is kept. */
#ifndef CLATTN_ATTRIBUTION_H
#define CLATTN_ATTRIBUTION_H

#include <clattn/attention.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clattn_rows {                     /* what a row of mass is of */
                           CLATTN_ROWS_EACH,   /* a query */
                           CLATTN_ROWS_SUM,    /* all queries, added up: there is one row */
                           CLATTN_ROWS_BY_SPAN /* the queries whose position lies in a span, added
                                                * up: for self-attention, where positions are
                                                * keys; mass is span by span */
} clattn_rows;

typedef enum clattn_heads {                    /* what a head of mass is of */
                            CLATTN_HEADS_EACH, /* a query head */
                            CLATTN_HEADS_MEAN, /* all, of each row: there is one head */
                            CLATTN_HEADS_MAX   /* the largest of them */
} clattn_heads;

typedef struct clattn_attribution_desc {
    clattn_attention_desc attention; /* the same as of the attention itself; out_type, split_keys,
                                      * weights, kernel and params are of no account */
    bool value_weighted;
    clattn_rows rows;
    clattn_heads heads; /* mean and max are taken after rows were added up */
    const char *kernel; /* force a variant by name; NULL = best that fits */
    const char *params; /* with kernel: as in clattn_attention_desc */
} clattn_attribution_desc;

/* Span s has keys cut[s] <= j < cut[s + 1], j counted as kv_length counts them, also on pages and
 * in rings.  Cut points are read on the device as they are:
 *   - a span without keys, or whose keys are not seen or lie behind kv_length, has mass 0;
 *   - keys before the first cut point or from the last one on are in no span: what rows then sum
 *     to less than 1 is theirs;
 *   - a cut point below one before it counts as that one: no key is in two spans. */
typedef struct clattn_attribution_args {
    clattn_attention_args attention; /* those of the attention itself, of which lse is required and
                                      * read; v is, value-weighted; out, weights, scratch are not
                                      * looked at */
    clattn_tensor spans;      /* I32 {batch|1, 1, 1, spans + 1}: cut points.  Absent = each key is a
                               * span (not of a ring): with CLATTN_ROWS_SUM the mass by which H2O (Zhang
                               * et al. 2023) tells which keys to keep */
    clattn_tensor row_weight; /* optional, F32 {batch|1, n_q|1, query_heads|1, 1} (batch 1 where
                               * sequences are packed): by which a row's masses are multiplied */
    clattn_tensor mass; /* out, F32 {batch, n_q, query_heads, spans}, of rows or heads that are
                         * joined 1; n_q is spans by span; a column more with sinks.  Packed
                         * sequences whose rows are not joined have batch 1 here too. */
    bool accumulate;    /* mass is added to what is there: over steps and layers.  Without it a call
                         * that has no rows, but a mass to write, writes 0. */
    cl_mem scratch;     /* clattn_attribution_scratch() bytes, not shared by concurrent runs;
                         * NULL = taken for this call and given back when its commands finish */
} clattn_attribution_args;

CLATTN_API clattn_status clattn_attribution_create(clattn_context *context,
                                                   const clattn_attribution_desc *desc,
                                                   clattn_op **out);
CLATTN_API clattn_status clattn_attribution_variants(clattn_context *context,
                                                     const clattn_attribution_desc *desc,
                                                     clattn_variant_report *report, void *user);

/* The kernel that run with these args takes; as clattn_attention_kernel. */
CLATTN_API const char *clattn_attribution_kernel(const clattn_op *op,
                                                 const clattn_attribution_args *args);

/* Bytes that run with these args needs; 0 = none: each row and each head by itself, few keys. */
CLATTN_API size_t clattn_attribution_scratch(const clattn_op *op,
                                             const clattn_attribution_args *args);

/* Enqueues; never blocks, never compiles. */
CLATTN_API clattn_status clattn_attribution_run(const clattn_op *op, cl_command_queue queue,
                                                const clattn_attribution_args *args,
                                                cl_event *event);

/* ---- Rollout: attribution through layers ------------------------------------------ */

/* Attention rollout (Abnar and Zuidema 2020) with spans as nodes.  M is the mass of one layer by
 * span (CLATTN_ROWS_BY_SPAN, accumulated over all calls that made its rows), added up over heads,
 * each row then divided by its sum; a span that had no rows keeps what it has, M = identity there.
 *
 *   rollout = (M + identity) / 2 * previous
 *
 * for layer 1, 2, .. in turn; identity before the first.  rollout[s][t] is how much of what span s
 * holds after that layer came from span t at the start; rows sum to 1.
 *
 * With tokens as spans this is the rollout of the paper.  With larger spans it takes every token of
 * a span for their mean: what flows into a span is spread over it before it flows on.  It then
 * needs spans x spans numbers where the paper needs tokens x tokens.  Where M has a column more
 * than rows, a sink, so has rollout: what went there stays there. */
typedef struct clattn_rollout_desc {
    const char *kernel; /* force a variant by name; NULL = best that fits */
} clattn_rollout_desc;

typedef struct clattn_rollout_args {
    clattn_tensor mass;     /* F32 {batch, spans, heads, spans (+ 1)} */
    clattn_tensor previous; /* F32 {batch, spans, 1, as mass}; absent = identity */
    clattn_tensor rollout;  /* out, as previous; may not overlap it */
} clattn_rollout_args;

CLATTN_API clattn_status clattn_rollout_create(clattn_context *context,
                                               const clattn_rollout_desc *desc, clattn_op **out);
CLATTN_API clattn_status clattn_rollout_variants(clattn_context *context,
                                                 const clattn_rollout_desc *desc,
                                                 clattn_variant_report *report, void *user);
CLATTN_API clattn_status clattn_rollout_run(const clattn_op *op, cl_command_queue queue,
                                            const clattn_rollout_args *args, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif /* CLATTN_ATTRIBUTION_H */
