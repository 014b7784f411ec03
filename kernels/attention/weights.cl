/* The attention weights themselves, for those who ask to see them: the only place
 * where n_q x n_k numbers are written.  One work-item computes one score again and,
 * with the row's lse, its probability.
 *
 * Launch: global {n_k, n_q, query_heads * batch}; any local size.
 * Params: TYPE, HEAD_DIM, GROUP, QUERY_HEADS, STAGE (a clattn_stage), and those of score.h. */
#include "base.h"
#include "attention/arguments.h"
#include "attention/score.h"

#define STAGE_SOFTMAX 0
#define STAGE_SCORES 1
#define STAGE_SOFTCAP 2
#define STAGE_MASKED 3

__kernel void attention_weights(ATTENTION_ARGUMENTS)
{
    const int j = get_global_id(0), i = get_global_id(1);
    const int h = get_global_id(2) % QUERY_HEADS, b = get_global_id(2) / QUERY_HEADS, g = h / GROUP;
    if (i >= n_q || j >= n_k) {
        return;
    }
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head head = HEAD_OF(&a, b, h);
    const struct rows_of all_keys = KEY_ROWS;
    const bool seen = sees(&a, &head, i, j);

    float score = 0.0f;
    if (j < head.used) {
        const long q_row = place(q_at, b, i, h);
        const struct row_place k_row = row_place(&all_keys, &head.keys, j, g);
        for (int c = 0; c < HEAD_DIM; c++) {
            score = fma(load(TYPE, q, q_row + c), load_of(&all_keys, k_row, c), score);
        }
        score *= scale;
    }
    if (STAGE == STAGE_SOFTCAP) {
        score = cap_score(&a, score);
    } else if (STAGE != STAGE_SCORES) {
        score = seen ? finish_score(&a, &head, i, j, score) : -INFINITY;
    }
    if (STAGE == STAGE_SOFTMAX) {
        score = score == -INFINITY ? 0.0f : exp2((score - lse[place(lse_at, b, i, h)]) * LOG2E);
    }
    weights[place(weights_at, b, i, h) + j] = score;
}
