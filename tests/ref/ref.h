/* The double-precision reference, one file per op, no OpenCL, read like the formula.
 * Arrays are dense doubles holding exactly the values the device was given. */
#ifndef REF_H
#define REF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum ref_stage { REF_SOFTMAX, REF_SCORES, REF_SOFTCAP, REF_MASKED }; /* as clattn_stage */

struct ref_attention {
    int64_t batch, n_q, n_k, heads, kv_heads, head_dim, value_dim;
    const double *q;          /* [batch][n_q][heads][head_dim] */
    const double *k;          /* [batch][n_k][kv_heads][head_dim] */
    const double *scores;     /* [batch][n_q][heads][n_k] instead of q.k, or NULL */
    const double *v;          /* [batch][n_k][kv_heads][value_dim] */
    const double *bias;       /* [batch][n_q][heads][n_k] or NULL */
    const double *mask;       /* as bias, nonzero = visible, or NULL */
    const double *slopes;     /* [batch][heads] or NULL */
    const double *sinks;      /* [heads] or NULL */
    const int64_t *kv_length; /* [batch] or NULL */
    const int64_t *offset;    /* [batch]: position of query 0, or NULL for bottom-right */
    bool causal;
    int64_t window_left, window_right; /* negative = unbounded */
    double scale, softcap;             /* softcap 0 = off */
    enum ref_stage stage;
};

/* out [batch][n_q][heads][value_dim], lse [batch][n_q][heads], weights [batch][n_q][heads][n_k]
 * at the stage asked for, or NULL. */
void ref_attention(const struct ref_attention *a, double *out, double *lse, double *weights);

/* Scores of classic attention, [batch][n_q][heads][n_k], for ref_attention to go on from; w is
 * [heads][head_dim].  Additive (Bahdanau et al. 2014): w . tanh(q_i + k_j) of projected rows.
 * Concat (Luong et al. 2015): w . tanh(W [q_i; k_j] + bias) of the rows themselves, q being
 * [batch][n_q][query_dim], k [batch][n_k][key_dim], W [heads][head_dim][query_dim + key_dim]. */
void ref_additive_scores(const struct ref_attention *a, const double *w, double *scores);
void ref_concat_scores(const struct ref_attention *a, int64_t query_dim, int64_t key_dim,
                       const double *weight, const double *bias, const double *w, double *scores);

/* ---- Attribution ------------------------------------------------------------------- */

enum ref_rows { REF_ROWS_EACH, REF_ROWS_SUM, REF_ROWS_BY_SPAN };  /* as clattn_rows */
enum ref_heads { REF_HEADS_EACH, REF_HEADS_MEAN, REF_HEADS_MAX }; /* as clattn_heads */

struct ref_attribution {
    int64_t spans;
    const double *cut;        /* [spans + 1], or NULL: each key is one */
    const double *row_weight; /* [n_q][heads] or NULL */
    bool value_weighted;
    enum ref_rows rows;
    enum ref_heads heads;
};

/* The span of key j, -1 = none: the first whose end, the largest cut point so far, is behind it. */
int64_t ref_span_of(const double *cut, int64_t spans, int64_t j);

/* Of attention over a batch of 1, whose offset is given: lse [n_q][heads] and
 * mass [n_q | 1 | spans][heads | 1][spans, one more with sinks]. */
void ref_attribution(const struct ref_attention *a, const struct ref_attribution *r, double *lse,
                     double *mass);

/* rollout [spans][columns] = (M + identity) / 2 * previous, M of mass [spans][heads][columns];
 * previous NULL = identity. */
void ref_rollout(int64_t spans, int64_t heads, int64_t columns, const double *mass,
                 const double *previous, double *rollout);

/* y[r][o] = sum_c x[r][c] weight[o][c] + bias[o]; bias may be NULL. */
void ref_project(int64_t rows, int64_t in_dim, int64_t out_dim, const double *x,
                 const double *weight, const double *bias, double *y);

/* ---- Weights in blocks ----------------------------------------------------------- */

enum ref_block { REF_Q8_0, REF_Q4_0, REF_Q4_1, REF_Q4_K, REF_Q6_K };

/* A row of so many columns, whole blocks, as numbers. */
void ref_decode_row(enum ref_block type, const unsigned char *row, int64_t columns, double *out);

/* ---- Of one row ------------------------------------------------------------------ */

/* y = (x - mean) * inverse * weight + bias, inverse = 1 / sqrt(mean of (x - mean)^2 + epsilon);
 * about_mean false: mean is 0 (RMSNorm).  weight and bias may be NULL. */
void ref_norm(int64_t columns, const double *x, const double *weight, const double *bias,
              bool about_mean, double epsilon, double *y, double *mean, double *inverse);

/* y = exp(x / temperature) / their sum; all -inf gives zeros. */
void ref_softmax(int64_t columns, const double *x, double temperature, double *y);

/* The k largest, in descending order; of equal ones the lower column first, NaN before all. */
void ref_topk(int64_t columns, const double *x, int64_t k, double *values, double *indices);

enum ref_activation { REF_IDENTITY, REF_RELU, REF_GELU, REF_GELU_TANH, REF_SILU };

double ref_activate(enum ref_activation kind, double x);

/* ---- Feed-forward ---------------------------------------------------------------- */

struct ref_ffn {
    int64_t model_dim, hidden_dim;
    enum ref_activation activation;
    const double *up, *gate, *down;                /* [out][in]; gate NULL = not gated */
    const double *up_bias, *gate_bias, *down_bias; /* or NULL */
    double (*stored)(double); /* rounds what lies between to its storage type */
    bool gate_in_f32;         /* but not what the gate gives */
};

/* y = down(act(gate(x)) * up(x)), or down(act(up(x))). */
void ref_ffn(int64_t rows, const struct ref_ffn *f, const double *x, double *y);

struct ref_moe {
    int64_t experts, k;
    bool sigmoid, renormalise;
    const double *router, *router_bias; /* [experts][model_dim]; [experts] or NULL */
    const struct ref_ffn *expert;       /* [experts] */
};

/* Each token through the k experts of its largest logits, added up by weight. */
void ref_moe(int64_t tokens, const struct ref_moe *m, const double *x, double *y);

/* logits [tokens][experts] */
void ref_moe_logits(int64_t tokens, const struct ref_moe *m, const double *x, double *logits);

/* ---- Rotary position embedding ---------------------------------------------------- */

enum ref_rope_scaling { REF_UNSCALED, REF_LINEAR, REF_NTK, REF_YARN, REF_LLAMA3 };

struct ref_rope {
    int64_t rotary_dim;
    double base, factor, original; /* factor and original by scaling */
    enum ref_rope_scaling scaling; /* YaRN's and Llama-3's further numbers are the usual ones */
    const float *divisors;         /* of frequencies, or NULL */
};

/* cos and sin of each pair's angle at a position. */
void ref_rope_angles(const struct ref_rope *rope, int64_t position, double *cosines, double *sines);

/* Turns the first rotary_dim columns of one head in place. */
void ref_rope_turn(int64_t rotary_dim, bool interleaved, const double *cosines, const double *sines,
                   double *x);

/* Memory of so many numbers, for the caller to free. */
static inline double *ref_array(int64_t count)
{
    double *array = malloc((size_t)(count + 1) * sizeof *array);
    if (!array) {
        abort(); /* a test without memory has no result */
    }
    return array;
}

#endif /* REF_H */
