/* Attribution, the plainest way: one work-item walks the keys of one query row, or of several that
 * are added up, and adds each key's probability to its span.  The explanation of all others.
 *
 * A row that is value-weighted is walked twice: the first time for the sum by which it is divided.
 *
 * Launch: global {walkers rounded up to ROWS, query_heads, batch}, local {ROWS, 1, 1}; walkers is
 * n_q, or how many work-items share the rows that are added up.
 * Memory: HEAD_DIM floats per work-item, no local memory.
 * Params: TYPE, HEAD_DIM, VALUE_DIM, GROUP, ROWS, those of score.h and of spans.h. */
#include "base.h"
#include "online_softmax.h"
#include "attention/arguments.h"
#include "attention/score.h"
#include "attribution/spans.h"

static inline float norm_of(const struct rows_of *values, const struct row_place row)
{
    float sum = 0.0f;
    for (int c = 0; c < VALUE_DIM; c++) {
        const float value = load_of(values, row, c);
        sum = fma(value, value, sum);
    }
    return sqrt(sum);
}

/* The keys of query i: each one's share is added to its cell, or without cells to the sum that is
 * returned. */
static inline float walk(const float query[HEAD_DIM], const struct score_arguments *a, const struct head *head,
                         const int i, const int g, const float scale, const float lse,
                         const struct rows_of *all_keys, const struct rows_of *all_values, const struct cursor before,
                         const struct cells *cells, const int row, const float factor)
{
    const struct span keys = visible_span(a, head, i, i);
    struct cursor cursor = before;
    float total = 0.0f;
    for (int j = keys.first; j < keys.end; j++) {
        if (!sees(a, head, i, j)) {
            continue;
        }
        const struct row_place k_row = row_place(all_keys, &head->keys, j, g);
        float score = 0.0f;
        for (int c = 0; c < HEAD_DIM; c++) {
            score = fma(query[c], load_of(all_keys, k_row, c), score);
        }
        score = finish_score(a, head, i, j, scale * score);
        if (score == -INFINITY) {
            continue;
        }
        float share = softmax_weight(score, lse);
        if (VALUE_WEIGHTED) {
            share *= norm_of(all_values, row_place(all_values, &head->keys, j, g));
        }
        total += share;
        if (cells) {
            move_to(&cursor, j);
            if (in_a_span(&cursor)) {
                cells->to[cells->first + row * cells->row + cursor.span] += share * factor;
            }
        }
    }
    return total;
}

__kernel __attribute__((reqd_work_group_size(ROWS, 1, 1)))
void attribution_row(ATTENTION_ARGUMENTS, ATTRIBUTION_ARGUMENTS)
{
    const int item = get_global_id(0), h = get_global_id(1), b = get_global_id(2), g = h / GROUP;
    if (item >= walkers) {
        return;
    }
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head head = HEAD_OF(&a, b, h);
    const struct rows_of all_keys = KEY_ROWS, all_values = VALUE_ROWS;
    const struct cursor before = FIRST_SPAN(b);
    const struct cells cells = CELLS_OF(OVER_ROWS == EACH_ROW ? 0 : item, b, h, head.q0);
    clear_rows(&cells, mass_rows);
    for (int i = item; i < head.n_q; i += walkers) {
        float query[HEAD_DIM];
        const long q_row = place(q_at, b, head.q0 + i, h);
        for (int c = 0; c < HEAD_DIM; c++) {
            query[c] = load(TYPE, q, q_row + c);
        }
        const float row_lse = lse[place(lse_at, b, head.q0 + i, h)];
        const int row = mass_row(before, &head, i);
        float total = 1.0f;
        if (OVER_ROWS == EACH_ROW) {
            clear_row(&cells, row);
        }
        if (row < 0) {
            continue;
        }
        if (VALUE_WEIGHTED) {
            total = walk(query, &a, &head, i, g, scale, row_lse, &all_keys, &all_values, before, 0, row, 0.0f);
        }
        const float factor = row_factor(row_weight, place(row_weight_at, b, head.q0 + i, h), total);
        walk(query, &a, &head, i, g, scale, row_lse, &all_keys, &all_values, before, &cells, row, factor);
        if (!VALUE_WEIGHTED && sinks) {
            const float sink = sinks[place(sinks_at, 0, 0, h)];
            const float share = sink == -INFINITY ? 0.0f : softmax_weight(sink, row_lse);
            cells.to[cells.first + row * cells.row + span_count] += share * factor;
        }
    }
}

/* A kernel of its own, in this program because compiling it alone takes longer than it is worth. */
#include "attribution/reduce.cl"
