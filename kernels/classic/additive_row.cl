/* Additive attention (Bahdanau, Cho and Bengio 2014), the plainest way: one work-item owns
 * one query row and walks its keys with a running softmax.  Queries and keys are projected:
 *   s[j] = w . tanh(q[i] + k[j])
 *
 * Launch: global {n_q rounded up to ROWS, query_heads, batch}, local {ROWS, 1, 1}.
 * Memory: VALUE_DIM floats per work-item, no local memory.
 * Params: TYPE (of v and w), Q_TYPE, K_TYPE, OUT_TYPE, HEAD_DIM, VALUE_DIM, GROUP (query heads
 *         per kv head), STAGE (of weights), ROWS, and those of score.h. */
#include "base.h"
#include "online_softmax.h"
#include "attention/arguments.h"
#include "attention/score.h"
#include "classic/weights.h"

__kernel __attribute__((reqd_work_group_size(ROWS, 1, 1)))
void classic_additive_row(ATTENTION_ARGUMENTS, __global const void *w, const long4 w_at)
{
    const int i = get_global_id(0), h = get_global_id(1), b = get_global_id(2), g = h / GROUP;
    if (i >= n_q) {
        return;
    }
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head head = HEAD_OF(&a, b, h);
    const struct span keys = visible_span(&a, &head, i, i);
    const long q_row = place(q_at, b, i, h), w_row = place(w_at, 0, 0, h);

    float sum[VALUE_DIM];
    for (int c = 0; c < VALUE_DIM; c++) {
        sum[c] = 0.0f;
    }
    struct softmax softmax = softmax_begin(sinks ? sinks[place(sinks_at, 0, 0, h)] : -INFINITY);
    for (int j = keys.first; j < keys.end; j++) {
        float score = -INFINITY;
        if (sees(&a, &head, i, j)) {
            const long k_row = place(k_at, b, j, g);
            score = 0.0f;
            for (int c = 0; c < HEAD_DIM; c++) {
                const float hidden = load(Q_TYPE, q, q_row + c) + load(K_TYPE, k, k_row + c);
                score = fma(load(TYPE, w, w_row + c), tanh(hidden), score);
            }
            score = finish_score(&a, &head, i, j, scale * score);
        }
        if (weights) {
            weights[place(weights_at, b, i, h) + j] = score; /* until the sum is known */
        }
        if (score == -INFINITY) {
            continue;
        }
        const long v_row = place(v_at, b, j, g);
        float factor;
        const float weight = softmax_take(&softmax, score, &factor);
        for (int c = 0; c < VALUE_DIM; c++) {
            sum[c] = fma(weight, load(TYPE, v, v_row + c), sum[c] * factor);
        }
    }

    const float normal = softmax_scale(softmax);
    for (int c = 0; c < VALUE_DIM; c++) {
        store(OUT_TYPE, out, place(out_at, b, i, h) + c, sum[c] * normal);
    }
    if (lse) {
        lse[place(lse_at, b, i, h)] = softmax_lse(softmax);
    }
    for (int j = 0; weights && j < n_k; j++) {
        __global float *weight = weights + place(weights_at, b, i, h) + j;
        *weight = weight_of(j < keys.first || j >= keys.end ? -INFINITY : *weight, softmax_lse(softmax));
    }
}
