/* One case: a line such as
 *
 *   attention --heads 8 --kv-heads 2 --nq 33 --nk 65 --head-dim 64 --type f16 --causal
 *
 * the op's name, then options named as on the command line.  Test, bench and tuner
 * share this syntax.  A value with spaces stands in single quotes; '#' begins a comment. */
#ifndef CHECK_CASE_H
#define CHECK_CASE_H

#include "block_case.h"
#include "buffer.h"

#include <stddef.h>

enum { CASE_BATCH_MAX = 64 };

struct test_case {
    char op[32];
    int32_t batch, heads, kv_heads, n_q, n_k, head_dim, value_dim; /* kv_heads 0 = heads, value_dim
                                                                      0 = head_dim */
    int32_t rows, columns, in_dim, out_dim, context_dim;           /* of other ops */
    clattn_type type, out_type;
    bool causal;
    char offset[64]; /* "" bottom-right, "top-left", or numbers per batch entry: "3,-1" */
    char window[32]; /* "left,right" */
    float scale, softcap;
    char bias[16]; /* axes that are not repeated, of b, n, h: "bnh", "h"; "1" = none; "" = no bias
                    */
    clattn_type bias_type;
    char mask[16];  /* the same */
    char alibi[16]; /* "h" or "bh" */
    bool sinks;
    char kv_length[64]; /* numbers per batch entry, the last repeated */
    bool lse;
    char weights[16]; /* a stage: scores, softcap, masked, softmax */
    enum layout layout;
    bool nan; /* NaN in one visible key and one visible value; rows that see them are NaN, others
                 not */
    bool extreme;                /* finite biases down to -FLT_MAX, large scores */
    bool fused, no_bias, no_out; /* layers */
    bool project_bias;
    union { /* by op */
        struct norm_case norm;
        struct rope_case rope;
        struct activation_case activation;
        struct embed_case embed;
        struct softmax_case softmax;
        struct topk_case topk;
        struct cache_case cache;
        struct project_case project;
        struct ffn_case ffn;
        struct moe_case moe;
        struct classic_case classic;
    } own;
    uint64_t seed;
    char kernel[64];  /* forced variant; "" = every one that fits */
    char params[160]; /* forced on the kernel: 'KEYS=4 TILE_K=64'; "" = built in or tuned */
};

/* An option of a case line and the field of struct test_case that takes its value.  What
 * several ops share is in case.c; what is an op's own, in its check_op (check.h). */
enum case_kind { CASE_FLAG, CASE_INTEGER, CASE_SEED, CASE_REAL, CASE_TYPE, CASE_TEXT, CASE_LAYOUT };

struct case_option {
    const char *name; /* "--causal"; NULL ends a table */
    enum case_kind kind;
    size_t offset, bytes;
};

#define CASE_OPTION(name, kind, field)                                                             \
    {                                                                                              \
        name, kind, offsetof(struct test_case, field), sizeof((struct test_case *)0)->field        \
    }

/* Reads a line.  op: what it is about if the line does not begin with a name; may be
 * NULL.  False with a reason in why. */
bool case_parse(const char *line, const char *op, struct test_case *out, char *why,
                size_t why_bytes);

/* The line that case_parse would read so, with its op. */
void case_write(const struct test_case *c, char *line, size_t bytes);

/* ---- case_values.c ------------------------------------------------------------ */

/* The n-th number of a list such as "3,-1"; the last is repeated. */
int64_t case_number(const char *list, int64_t n);

/* Of a projection's weights: the case's own, else the type of all. */
clattn_type case_weight_type(const struct test_case *c);

#endif /* CHECK_CASE_H */
