/* Attention, the plainest way: one work-item owns one query row and walks its keys
 * with a running softmax.  The explanation of all others, and the last resort.
 *
 * Launch: global {n_q rounded up to ROWS, query_heads, batch}, local {ROWS, 1, 1}.
 * Memory: HEAD_DIM + VALUE_DIM floats per work-item, no local memory.
 * Params: TYPE, OUT_TYPE, HEAD_DIM, VALUE_DIM, GROUP (query heads per kv head), ROWS,
 *         and those of score.h. */
#include "base.h"
#include "online_softmax.h"
#include "attention/arguments.h"
#include "attention/score.h"

__kernel __attribute__((reqd_work_group_size(ROWS, 1, 1)))
void attention_row(ATTENTION_ARGUMENTS)
{
    const int i = get_global_id(0), h = get_global_id(1), b = get_global_id(2), g = h / GROUP;
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head head = HEAD_OF(&a, b, h);
    if (i >= head.n_q) {
        return;
    }
    const struct rows_of all_keys = KEY_ROWS, all_values = VALUE_ROWS;
    const struct span keys = visible_span(&a, &head, i, i);

    float query[HEAD_DIM], sum[VALUE_DIM];
    const long q_row = place(q_at, b, head.q0 + i, h);
    for (int c = 0; c < HEAD_DIM; c++) {
        query[c] = load(TYPE, q, q_row + c);
    }
    for (int c = 0; c < VALUE_DIM; c++) {
        sum[c] = 0.0f;
    }

    struct softmax softmax = softmax_begin(sinks ? sinks[place(sinks_at, 0, 0, h)] : -INFINITY);
    for (int j = keys.first; j < keys.end; j++) {
        if (!sees(&a, &head, i, j)) {
            continue;
        }
        const struct row_place k_row = row_place(&all_keys, &head.keys, j, g);
        const struct row_place v_row = row_place(&all_values, &head.keys, j, g);
        float score = 0.0f;
        for (int c = 0; c < HEAD_DIM; c++) {
            score = fma(query[c], load_of(&all_keys, k_row, c), score);
        }
        score = finish_score(&a, &head, i, j, scale * score);
        if (score == -INFINITY) {
            continue;
        }
        float factor;
        const float weight = softmax_take(&softmax, score, &factor);
        for (int c = 0; c < VALUE_DIM; c++) {
            sum[c] = fma(weight, load_of(&all_values, v_row, c), sum[c] * factor);
        }
    }

    const float normal = softmax_scale(softmax);
    const long out_row = place(out_at, b, head.q0 + i, h);
    for (int c = 0; c < VALUE_DIM; c++) {
        store(OUT_TYPE, out, out_row + c, sum[c] * normal);
    }
    if (lse) {
        lse[place(lse_at, b, head.q0 + i, h)] = softmax_lse(softmax);
    }
}
