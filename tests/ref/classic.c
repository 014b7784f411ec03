#include "ref.h"

#include <math.h>

/* w . tanh(x) */
static double align(int64_t columns, const double *w, const double *x)
{
    double sum = 0;
    for (int64_t c = 0; c < columns; c++) {
        sum += w[c] * tanh(x[c]);
    }
    return sum;
}

void ref_additive_scores(const struct ref_attention *a, const double *w, double *scores)
{
    const int64_t D = a->head_dim, group = a->heads / a->kv_heads;
    double *hidden = ref_array(D);
    for (int64_t n = 0; n < a->batch * a->n_q * a->heads * a->n_k; n++) {
        const int64_t j = n % a->n_k, row = n / a->n_k, h = row % a->heads;
        const int64_t b = row / a->heads / a->n_q;
        const double *q = a->q + row * D;
        const double *k = a->k + ((b * a->n_k + j) * a->kv_heads + h / group) * D;
        for (int64_t c = 0; c < D; c++) {
            hidden[c] = q[c] + k[c];
        }
        scores[n] = align(D, w + h * D, hidden);
    }
    free(hidden);
}

void ref_concat_scores(const struct ref_attention *a, int64_t query_dim, int64_t key_dim,
                       const double *weight, const double *bias, const double *w, double *scores)
{
    const int64_t D = a->head_dim, columns = query_dim + key_dim;
    double *pair = ref_array(columns), *hidden = ref_array(a->heads * D);
    for (int64_t n = 0; n < a->batch * a->n_q * a->n_k; n++) {
        const int64_t j = n % a->n_k, row = n / a->n_k, b = row / a->n_q;
        for (int64_t c = 0; c < columns; c++) {
            pair[c] = c < query_dim ? a->q[row * query_dim + c]
                                    : a->k[(b * a->n_k + j) * key_dim + c - query_dim];
        }
        ref_project(1, columns, a->heads * D, pair, weight, bias, hidden);
        for (int64_t h = 0; h < a->heads; h++) {
            scores[(row * a->heads + h) * a->n_k + j] = align(D, w + h * D, hidden + h * D);
        }
    }
    free(pair);
    free(hidden);
}
