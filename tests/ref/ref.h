/* The double-precision reference, one file per op, no OpenCL, read like the formula.
 * Arrays are dense doubles holding exactly the values the device was given. */
#ifndef REF_H
#define REF_H

#include <stdbool.h>
#include <stdint.h>

enum ref_stage { REF_SOFTMAX, REF_SCORES, REF_SOFTCAP, REF_MASKED }; /* as clattn_stage */

struct ref_attention {
    int64_t batch, n_q, n_k, heads, kv_heads, head_dim, value_dim;
    const double *q;          /* [batch][n_q][heads][head_dim] */
    const double *k;          /* [batch][n_k][kv_heads][head_dim] */
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

/* y[r][o] = sum_c x[r][c] weight[o][c] + bias[o]; bias may be NULL. */
void ref_project(int64_t rows, int64_t in_dim, int64_t out_dim, const double *x,
                 const double *weight, const double *bias, double *y);

#endif /* REF_H */
