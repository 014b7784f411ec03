/* Joins results over two disjoint sets of keys: with M = max lse_p and
 * lse = M + log sum exp(lse_p - M), out = sum exp(lse_p - lse) out_p.
 * An empty part is (0, -inf); two of them give (0, -inf).
 *
 * Launch: global {rows rounded up, heads, batch}; any local size.
 * Params: TYPE, OUT_TYPE, ITEMS. */
#include "base.h"
#include "block/arguments.h"

__kernel void cache_merge(IN(a), IN(b), IN(a_lse), IN(b_lse), OUT(out), OUT(lse), const int rows, const int columns)
{
    const int i = get_global_id(0), h = get_global_id(1), n = get_global_id(2);
    if (i >= rows) {
        return;
    }
    const float a_log = load(F32, a_lse, place(a_lse_at, n, i, h)), b_log = load(F32, b_lse, place(b_lse_at, n, i, h));
    const float top = a_log > b_log || isnan(a_log) ? a_log : b_log;
    const float base = top == -INFINITY ? 0.0f : top;
    const float a_weight = exp(a_log - base), b_weight = exp(b_log - base), sum = a_weight + b_weight;
    const float normal = sum == 0.0f ? 0.0f : 1.0f / sum;
    const long a_row = place(a_at, n, i, h), b_row = place(b_at, n, i, h), to = place(out_at, n, i, h);
    for (int c = 0; c < columns; c++) {
        const float value = a_weight * load(TYPE, a, a_row + c) + b_weight * load(TYPE, b, b_row + c);
        store(OUT_TYPE, out, to + c, value * normal);
    }
    if (lse) {
        store(F32, lse, place(lse_at, n, i, h), sum == 0.0f ? -INFINITY : top + log(sum));
    }
}
