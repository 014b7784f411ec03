/* Attribution for GPUs: the lanes of a sub-group share keys.
 *
 * A sub-group takes TOGETHER rows at a time, the query heads of a kv head and neighbouring queries,
 * and SUBGROUP / PER_KEY keys: PER_KEY lanes have a key's columns, four at a time in turn, and
 * multiply them with those of each row.  What they add up lies then in a lane for each row, which
 * makes the row's weight of it and keeps the sums of a span until that ends.  Each key comes from
 * memory once for all the rows.
 *
 * Keys are split where rows are few; attribution/reduce adds splits up.
 *
 * Launch: global {splits * SUBGROUP, kv_heads * walkers, batch}, local {SUBGROUP, 1, 1}; walkers is
 * (n_q * GROUP) / TOGETHER rounded up, or how many sub-groups share the rows that are added up.
 * Memory: TOGETHER * HEAD_DIM / PER_KEY floats per work-item, in registers; no local memory.
 * Params: TYPE, HEAD_DIM, VALUE_DIM, GROUP, PER_KEY (divides SUBGROUP), TOGETHER (divides PER_KEY),
 *         those of lanes.h, of score.h and of spans.h. */
#include "base.h"
#include "lanes.h"
#include "online_softmax.h"
#include "attention/arguments.h"
#include "attention/score.h"
#include "attribution/spans.h"

#define KEYS (SUBGROUP / PER_KEY)
#define STEP (4 * PER_KEY) /* columns of a key at a time */
#define QUADS(columns) (((columns) + STEP - 1) / STEP)

/* Four columns from c on, 0 behind the last. */
static inline float4 load_query(const int type, __global const void *q, const long row, const int c)
{
    return (float4)(c < HEAD_DIM ? load(type, q, row + c) : 0.0f, c + 1 < HEAD_DIM ? load(type, q, row + c + 1) : 0.0f,
                    c + 2 < HEAD_DIM ? load(type, q, row + c + 2) : 0.0f,
                    c + 3 < HEAD_DIM ? load(type, q, row + c + 3) : 0.0f);
}

static inline float4 load_quad(const struct rows_of *rows, const struct row_place row, const int c, const int columns)
{
    return (float4)(c < columns ? load_of(rows, row, c) : 0.0f, c + 1 < columns ? load_of(rows, row, c + 1) : 0.0f,
                    c + 2 < columns ? load_of(rows, row, c + 2) : 0.0f,
                    c + 3 < columns ? load_of(rows, row, c + 3) : 0.0f);
}

/* |v|, in each of the lanes that share it */
static inline float value_norm(const struct rows_of *values, const struct row_place row, const int part)
{
    float sum = 0.0f;
    for (int n = 0; n < QUADS(VALUE_DIM); n++) {
        const float4 value = load_quad(values, row, n * STEP + part * 4, VALUE_DIM);
        sum += dot(value, value);
    }
    return sqrt(lanes_sum(sum, 1, PER_KEY));
}

/* Lanes that are `away` from each other send the other's half of so many rows twice. */
static inline void halve_rows(float *share, const int part, const int away)
{
    const bool upper = part & away;
    UNROLL
    for (int r = 0; r < away; r++) {
        const float mine = upper ? share[r + away] : share[r], others = upper ? share[r] : share[r + away];
        share[r] = mine + lane_xor(others, away);
    }
}

/* Of each row, a sum over the lanes of a key: that of row r is left in lanes r, r + TOGETHER, ..
 * of them. */
static inline float sum_rows(float share[TOGETHER], const int part)
{
    UNROLL
    for (int r = 0; r < TOGETHER; r++) {
        share[r] = lanes_sum(share[r], TOGETHER, PER_KEY);
    }
    if (TOGETHER >= 8) {
        halve_rows(share, part, 4);
    }
    if (TOGETHER >= 4) {
        halve_rows(share, part, 2);
    }
    if (TOGETHER >= 2) {
        halve_rows(share, part, 1);
    }
    return share[0];
}

/* The row of this lane. */
struct row {
    int i;
    float lse, factor;
    long cell; /* index of column 0 of its masses; -1 = nowhere */
};

static inline long lane_at_long(const long v, const int lane)
{
    return (long)((ulong)lane_at_bits((uint)((ulong)v >> 32), lane) << 32 | lane_at_bits((uint)v, lane));
}

/* Adds what the lanes gathered of a span, and begins anew.  Rows that are added up may meet in one
 * cell, so that one lane adds them all. */
static inline void put(__global float *to, const struct row *row, float *gathered, const int lane, const int column)
{
    const float sum = lanes_sum(*gathered, PER_KEY, SUBGROUP);
    /* Nothing stays nothing, also of a row whose sum is NaN. */
    const float share = sum == 0.0f ? 0.0f : sum * row->factor;
    *gathered = 0.0f;
    if (OVER_ROWS == EACH_ROW) {
        if (lane < TOGETHER && row->cell >= 0) {
            to[row->cell + column] += share;
        }
        return;
    }
    for (int r = 0; r < TOGETHER; r++) {
        const float of_row = lane_at(share, r);
        const long cell = lane_at_long(row->cell, r);
        if (lane == 0 && cell >= 0) {
            to[cell + column] += of_row;
        }
    }
}

__kernel SUBGROUPS __attribute__((reqd_work_group_size(SUBGROUP, 1, 1)))
void attribution_subgroup(ATTENTION_ARGUMENTS, ATTRIBUTION_ARGUMENTS)
{
    const int lane = lane_id(), part = lane % PER_KEY, split = get_group_id(0), b = get_group_id(2);
    const int g = get_group_id(1) / max(walkers, 1), walker = get_group_id(1) % max(walkers, 1);
    if (walkers == 0) {
        return;
    }
    /* Sub-groups have a part to themselves where rows are added up. */
    const int of_part = OVER_ROWS == EACH_ROW ? split : split * walkers + walker;
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head first_head = HEAD_OF(&a, b, g * GROUP);
    const struct rows_of all_keys = KEY_ROWS, all_values = VALUE_ROWS;
    const struct cursor before = FIRST_SPAN(b);
    __global float *to = parts ? parts : mass;
    for (int h = g * GROUP; h < g * GROUP + GROUP && lane == 0; h++) {
        const struct cells cells = CELLS_OF(of_part, b, h, first_head.q0);
        clear_rows(&cells, mass_rows);
    }

    const int all_rows = first_head.n_q * GROUP;
    for (int r0 = walker * TOGETHER; r0 < all_rows; r0 += walkers * TOGETHER) {
        const int last_row = min(r0 + TOGETHER, all_rows) - 1, own = min(r0 + part % TOGETHER, last_row);
        const int h = g * GROUP + own % GROUP;
        const struct head head = HEAD_OF(&a, b, h);
        const struct cells cells = CELLS_OF(of_part, b, h, head.q0);
        struct row row = {own / GROUP, lse[place(lse_at, b, head.q0 + own / GROUP, h)], 1.0f, -1};
        const int mass_to = r0 + part % TOGETHER > last_row ? -1 : mass_row(before, &head, row.i);
        if (mass_to >= 0) {
            row.cell = cells.first + mass_to * cells.row;
            if (OVER_ROWS == EACH_ROW && lane < TOGETHER) {
                clear_row(&cells, mass_to);
            }
        }
        float4 query[TOGETHER][QUADS(HEAD_DIM)];
        UNROLL
        for (int r = 0; r < TOGETHER; r++) {
            const int at = min(r0 + r, last_row);
            const long q_row = place(q_at, b, head.q0 + at / GROUP, g * GROUP + at % GROUP);
            UNROLL
            for (int n = 0; n < QUADS(HEAD_DIM); n++) {
                query[r][n] = load_query(TYPE, q, q_row, n * STEP + part * 4);
            }
        }
        struct span keys = visible_span(&a, &first_head, r0 / GROUP, last_row / GROUP);
        const long begin = first_head.first + (long)split * split_keys;
        keys.first = max(keys.first, (int)min(begin, (long)INT_MAX));
        keys.end = (int)min((long)keys.end, begin + split_keys);

        float gathered = 0.0f;
        /* The first time for the sums by which masses are divided, if they are. */
        for (int last = !VALUE_WEIGHTED; last < 2; last++) {
            struct cursor cursor = before;
            if (last) {
                const float total = VALUE_WEIGHTED ? lanes_sum(gathered, PER_KEY, SUBGROUP) : 1.0f;
                row.factor = row_factor(row_weight, place(row_weight_at, b, head.q0 + row.i, h), total);
                gathered = 0.0f;
            }
            for (int j0 = keys.first; j0 < keys.end; j0 += KEYS) {
                const int j = j0 + lane / PER_KEY, key = min(j, keys.end - 1);
                const struct row_place place_of_key = row_place(&all_keys, &first_head.keys, key, g);
                float share[TOGETHER], norm = 1.0f;
                UNROLL
                for (int r = 0; r < TOGETHER; r++) {
                    share[r] = 0.0f;
                }
                UNROLL
                for (int n = 0; n < QUADS(HEAD_DIM); n++) {
                    const float4 some = load_quad(&all_keys, place_of_key, n * STEP + part * 4, HEAD_DIM);
                    UNROLL
                    for (int r = 0; r < TOGETHER; r++) {
                        share[r] += dot(some, query[r][n]);
                    }
                }
                if (VALUE_WEIGHTED) {
                    norm = value_norm(&all_values, row_place(&all_values, &first_head.keys, key, g), part);
                }
                float score = sum_rows(share, part) * scale, weight = 0.0f;
                if (part < TOGETHER && j < keys.end && sees(&a, &head, row.i, j)) {
                    score = finish_score(&a, &head, row.i, j, score);
                    weight = score == -INFINITY ? 0.0f : softmax_weight(score, row.lse) * norm;
                }
                /* All lanes walk the spans of these keys together. */
                for (int at = j0; at < min(j0 + KEYS, keys.end);) {
                    if (at >= cursor.end) {
                        if (last && in_a_span(&cursor)) {
                            put(to, &row, &gathered, lane, cursor.span);
                        }
                        move_to(&cursor, at);
                    }
                    const int end = min(cursor.end, min(j0 + KEYS, keys.end));
                    gathered += j >= at && j < end && (!last || in_a_span(&cursor)) ? weight : 0.0f;
                    at = end;
                }
            }
            if (last && in_a_span(&cursor)) {
                put(to, &row, &gathered, lane, cursor.span);
            }
        }
        /* The sink is counted once: by the first split. */
        if (sinks && !VALUE_WEIGHTED && split == 0) {
            const float sink = sinks[place(sinks_at, 0, 0, h)];
            gathered = lane < TOGETHER && sink != -INFINITY ? softmax_weight(sink, row.lse) : 0.0f;
            put(to, &row, &gathered, lane, span_count);
        }
    }
}

/* A kernel of its own, in this program because compiling it alone takes longer than it is worth. */
#include "attribution/reduce.cl"
