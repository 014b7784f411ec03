/* The K experts of each token, best first, and their weights: one work-item per token.
 *
 * Experts are chosen by their logits; of equal ones the lower number first, NaN before all.  A
 * score is exp(logit - max) or 1 / (1 + exp(-logit)); weights are scores divided by the sum of the
 * chosen ones (RENORMALISE), of all (softmax) or by 1 (SIGMOID).
 *
 * Launch: global {tokens rounded up, 1, 1}; any local size.
 * Memory: K longs per work-item, in descending order; a better entry pushes others down.
 * Params: K, SIGMOID, RENORMALISE. */
#include "base.h"
#include "block/arguments.h"
#include "block/entry.h"

static inline float score_of(const float logit, const float max)
{
    return SIGMOID ? 1.0f / (1.0f + exp(-logit)) : exp(logit - max);
}

__kernel void moe_route(IN(logits), OUT(choice), OUT(weights), const int tokens, const int experts)
{
    const int t = get_global_id(0);
    if (t >= tokens) {
        return;
    }
    __global const float *row = (__global const float *)logits + place(logits_at, 0, t, 0);
    __global int *chosen = (__global int *)choice + choice_at.x + (long)t * K;
    __global float *weight = (__global float *)weights + weights_at.x + (long)t * K;
    long best[K];
    for (int n = 0; n < K; n++) {
        best[n] = LONG_MIN;
    }
    for (int e = 0; e < experts; e++) {
        long entry = entry_of(row[e], e);
        for (int n = 0; n < K; n++) {
            const long other = best[n];
            best[n] = max(other, entry);
            entry = min(other, entry);
        }
    }
    const float max = row[column_of(best[0])];
    float sum = 0.0f;
    if (RENORMALISE) {
        for (int n = 0; n < K; n++) {
            sum += score_of(row[column_of(best[n])], max);
        }
    } else if (SIGMOID) {
        sum = 1.0f;
    } else {
        for (int e = 0; e < experts; e++) {
            sum += score_of(row[e], max);
        }
    }
    for (int n = 0; n < K; n++) {
        const int e = column_of(best[n]);
        chosen[n] = e;
        weight[n] = sum == 0.0f ? 0.0f : score_of(row[e], max) / sum;
    }
}
