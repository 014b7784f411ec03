/* Joins results over disjoint sets of keys: with M = max lse_s and
 * lse = M + log sum exp(lse_s - M), out = sum exp(lse_s - lse) out_s.
 * An empty part is (0, -inf); all empty give (0, -inf).
 *
 * parts holds [split][batch][row][head][VALUE_DIM + 1] floats, lse last.
 * With q_start, batch entry b has the rows q_start[b] .. q_start[b + 1] of the only entry of out.
 *
 * Launch: global {n_q, query_heads, batch}; any local size.
 * Params: OUT_TYPE, VALUE_DIM. */
#include "base.h"

__kernel void attention_merge(__global const float *parts, const long4 parts_at, const int splits,
                              __global void *out, const long4 out_at, __global float *lse, const long4 lse_at,
                              __global const int *q_start, const long4 q_start_at, const int q_rows,
                              const int n_q, const int heads)
{
    const int i = get_global_id(0), h = get_global_id(1), b = get_global_id(2);
    int q0 = 0, rows = n_q;
    if (q_start) {
        q0 = clamp(q_start[q_start_at.x + b], 0, q_rows);
        rows = min(n_q, clamp(q_start[q_start_at.x + b + 1], q0, q_rows) - q0);
    }
    if (i >= rows) {
        return;
    }
    const long step = (long)get_global_size(2) * n_q * heads * (VALUE_DIM + 1);
    const long row = parts_at.x + (((long)b * n_q + i) * heads + h) * (VALUE_DIM + 1);
    float top = -INFINITY, sum = 0.0f;
    for (int s = 0; s < splits; s++) {
        top = fmax(top, parts[row + s * step + VALUE_DIM]);
    }
    const float base = top == -INFINITY ? 0.0f : top;
    for (int s = 0; s < splits; s++) {
        sum += exp(parts[row + s * step + VALUE_DIM] - base);
    }
    for (int c = 0; c < VALUE_DIM; c++) {
        float value = 0.0f;
        for (int s = 0; s < splits; s++) {
            value = fma(exp(parts[row + s * step + VALUE_DIM] - base), parts[row + s * step + c], value);
        }
        store(OUT_TYPE, out, place(out_at, b, q0 + i, h) + c, sum == 0.0f ? 0.0f : value / sum);
    }
    if (lse) {
        lse[place(lse_at, b, q0 + i, h)] = sum == 0.0f ? -INFINITY : top + log(sum);
    }
}
