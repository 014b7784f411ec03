#include "ref.h"

#include <math.h>
#include <stdlib.h>

static double dot(const struct ref_attention *a, int64_t b, int64_t i, int64_t h, int64_t j)
{
    const int64_t g = h / (a->heads / a->kv_heads);
    const double *q = a->q + ((b * a->n_q + i) * a->heads + h) * a->head_dim;
    const double *k = a->k + ((b * a->n_k + j) * a->kv_heads + g) * a->head_dim;
    double sum = 0;
    for (int64_t c = 0; c < a->head_dim; c++) {
        sum += q[c] * k[c];
    }
    return sum;
}

/* Steps 1 to 6 of the semantics for one query row; s and p hold n_k numbers each. */
static void row(const struct ref_attention *a, int64_t b, int64_t i, int64_t h, double *s,
                double *out, double *lse)
{
    const int64_t g = h / (a->heads / a->kv_heads);
    const int64_t used = a->kv_length ? a->kv_length[b] : a->n_k;
    const int64_t position = i + (a->offset ? a->offset[b] : used - a->n_q);
    const int64_t row = ((b * a->n_q + i) * a->heads + h) * a->n_k;
    const double sink = a->sinks ? a->sinks[h] : -INFINITY;

    double max = sink;
    for (int64_t j = 0; j < a->n_k; j++) {
        if (j >= used) {
            s[j] = a->stage == REF_MASKED ? -INFINITY : 0;
            continue;
        }
        s[j] = a->scale * (a->scores ? a->scores[row + j] : dot(a, b, i, h, j));
        if (a->stage == REF_SCORES) {
            continue;
        }
        if (a->softcap > 0) {
            s[j] = a->softcap * tanh(s[j] / a->softcap);
        }
        if (a->stage == REF_SOFTCAP) {
            continue;
        }
        const bool visible = (!a->causal || j <= position) &&
                             (a->window_left < 0 || j >= position - a->window_left) &&
                             (a->window_right < 0 || j <= position + a->window_right) &&
                             (!a->mask || a->mask[row + j] != 0) &&
                             (!a->bias || a->bias[row + j] != -INFINITY);
        if (!visible) {
            s[j] = -INFINITY;
            continue;
        }
        s[j] += a->bias ? a->bias[row + j] : 0;
        s[j] -= a->slopes ? a->slopes[b * a->heads + h] * fabs((double)(position - j)) : 0;
        max = fmax(max, s[j]);
    }
    if (a->stage != REF_SOFTMAX) {
        return;
    }

    double sum = sink == -INFINITY ? 0 : exp(sink - max);
    for (int64_t j = 0; j < used; j++) {
        sum += s[j] == -INFINITY ? 0 : exp(s[j] - max);
    }
    *lse = sum == 0 ? -INFINITY : max + log(sum);
    for (int64_t c = 0; c < a->value_dim; c++) {
        out[c] = 0;
    }
    for (int64_t j = 0; j < used; j++) {
        const bool visible = s[j] != -INFINITY;
        s[j] = visible ? exp(s[j] - max) / sum : 0;
        const double *v = a->v + ((b * a->n_k + j) * a->kv_heads + g) * a->value_dim;
        for (int64_t c = 0; visible && c < a->value_dim; c++) {
            out[c] += s[j] * v[c];
        }
    }
}

void ref_attention(const struct ref_attention *a, double *out, double *lse, double *weights)
{
    struct ref_attention softmax = *a;
    softmax.stage = REF_SOFTMAX;
    double *s = ref_array(a->n_k);
    for (int64_t b = 0; b < a->batch; b++) {
        for (int64_t i = 0; i < a->n_q; i++) {
            for (int64_t h = 0; h < a->heads; h++) {
                const int64_t n = (b * a->n_q + i) * a->heads + h;
                row(&softmax, b, i, h, weights ? weights + n * a->n_k : s, out + n * a->value_dim,
                    lse + n);
                if (weights && a->stage != REF_SOFTMAX) {
                    row(a, b, i, h, weights + n * a->n_k, NULL, NULL);
                }
            }
        }
    }
    free(s);
}
