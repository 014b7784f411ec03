/* Attribution of few queries over many keys, for CPU devices: lanes along head_dim, as
 * attention/decode_wide.
 *
 * One work-item owns up to ROWS rows, the query heads of a kv head and the queries of a call, and
 * one split of the keys, so that each key comes from memory once for all its rows.  It walks its
 * keys WIDTH at a time; a row's weights are then in the lanes and are added up by span.
 *
 * Keys are split only where they are many; attribution/reduce adds splits up.
 *
 * Launch: global {splits, kv_heads * ((n_q * GROUP) / ROWS rounded up), batch}, local {1, 1, 1}.
 * Memory, with ROWS = BLOCKS * BLOCK: ROWS * (HEAD_DIM + 2 * WIDTH) + WIDTH * HEAD_DIM floats.
 * Params: TYPE, HEAD_DIM, VALUE_DIM, GROUP, WIDTH, BLOCK (divides GROUP), BLOCKS, those of score.h
 *         and of spans.h. */
#include "base.h"
#include "wide.h"
#include "attention/arguments.h"
#include "attention/score.h"
#include "attention/rows_wide.h"
#include "attribution/spans.h"
#include "attribution/values_wide.h"

/* Where the masses of each row go. */
struct block {
    __global float *to;
    int rows;
    long cell[ROWS]; /* index of column 0; -1 = nowhere */
    float factor[ROWS];
};

/* Adds what was gathered of a span, and begins anew. */
static inline void put(const struct block *block, vfloat gathered[ROWS], const int column)
{
    for (int r0 = 0; r0 < block->rows; r0 += WIDTH) {
        const int count = min(WIDTH, block->rows - r0);
        vfloat some[WIDTH];
        float sum[WIDTH];
        for (int r = 0; r < WIDTH; r++) {
            some[r] = r < count ? gathered[r0 + r] : (vfloat)(0.0f);
        }
        *(vfloat_at *)sum = sum_each(some);
        for (int r = 0; r < count; r++) {
            gathered[r0 + r] = 0.0f;
            /* Nothing stays nothing, also of a row whose sum is NaN. */
            if (block->cell[r0 + r] >= 0 && sum[r] != 0.0f) {
                block->to[block->cell[r0 + r] + column] += sum[r] * block->factor[r0 + r];
            }
        }
    }
}

/* Adds the weights of keys j0 .. j0 + count - 1 by span to gathered; a span that ends is put away. */
static inline void gather(const struct block *block, struct cursor *cursor, vfloat gathered[ROWS],
                          vfloat weight[ROWS], const int j0, const int count)
{
    for (int j = j0; j < j0 + count;) {
        if (j >= cursor->end) {
            if (in_a_span(cursor)) {
                put(block, gathered, cursor->span);
            }
            move_to(cursor, j);
        }
        const int end = min(cursor->end, j0 + count);
        const vint lane = lanes() + j0;
        const vint within = lane >= j && lane < end;
        for (int r = 0; r < block->rows && in_a_span(cursor); r++) {
            gathered[r] += within ? weight[r] : (vfloat)(0.0f);
        }
        j = end;
    }
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void attribution_decode_wide(ATTENTION_ARGUMENTS, ATTRIBUTION_ARGUMENTS)
{
    const int split = get_group_id(0), b = get_group_id(2);
    const int chunks = max((n_q * GROUP + ROWS - 1) / ROWS, 1);
    const int g = get_group_id(1) / chunks, chunk = get_group_id(1) % chunks, r0 = chunk * ROWS;
    /* Rows of one work-item have a part to themselves where they are added up with those of others. */
    const int part = OVER_ROWS == EACH_ROW ? split : split * chunks + chunk;
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head first_head = HEAD_OF(&a, b, g * GROUP);
    const struct cursor before = FIRST_SPAN(b);
    for (int h = g * GROUP; h < g * GROUP + GROUP; h++) {
        const struct cells cells = CELLS_OF(part, b, h, first_head.q0);
        clear_rows(&cells, mass_rows);
    }
    struct block block = {parts ? parts : mass, min(ROWS, first_head.n_q * GROUP - r0)};
    if (block.rows <= 0) {
        return;
    }

    const struct rows_of all_values = VALUE_ROWS;
    vfloat query[ROWS][QK_VECTORS], tile[WIDTH * QK_VECTORS], weight[ROWS], gathered[ROWS];
    struct run k_run = {KEY_ROWS};
    struct row row[ROWS];
    float start[ROWS];
    struct span keys = {INT_MAX, 0};
    k_run.tile = tile;
    for (int r = 0; r < block.rows; r++) {
        const int i = (r0 + r) / GROUP, h = g * GROUP + (r0 + r) % GROUP;
        const struct head head = HEAD_OF(&a, b, h);
        const struct cells cells = CELLS_OF(part, b, h, head.q0);
        const int to = mass_row(before, &head, i);
        row[r] = row_of(&a, &head, i, h);
        keys.first = min(keys.first, row[r].low);
        keys.end = max(keys.end, row[r].high + 1);
        load_query(query[r], q, place(q_at, b, head.q0 + i, h), scale * LOG2E);
        start[r] = lse[place(lse_at, b, head.q0 + i, h)] * -LOG2E;
        block.cell[r] = to < 0 ? -1 : cells.first + to * cells.row;
        gathered[r] = 0.0f;
        if (OVER_ROWS == EACH_ROW) {
            clear_row(&cells, to);
        }
    }
    const int last_row = (r0 + block.rows - 1) / GROUP, first_row = r0 / GROUP;
    const long begin = first_head.first + (long)split * split_keys;
    keys.first = max(keys.first, (int)min(begin, (long)INT_MAX));
    keys.end = (int)min((long)keys.end, begin + split_keys);

    /* The first time for the sums by which masses are divided, if they are. */
    for (int last = !VALUE_WEIGHTED; last < 2; last++) {
        struct cursor cursor = before;
        for (int r = 0; r < block.rows && last; r++) {
            const long place_of_row = place(row_weight_at, b, first_head.q0 + row[r].i, row[r].h);
            block.factor[r] = row_factor(row_weight, place_of_row, VALUE_WEIGHTED ? sum_lanes(gathered[r]) : 1.0f);
            gathered[r] = 0.0f;
        }
        int count;
        for (int j0 = keys.first; j0 < keys.end; j0 += count) {
            count = length_of_run(&first_head.keys, j0, keys.end);
            const bool whole = count == WIDTH && wholly_visible(&a, &first_head, first_row, last_row, j0, j0 + WIDTH);
            vfloat dot[BLOCK][WIDTH], norms = 1.0f;
            find_run(&k_run, &first_head.keys, g, j0, count, keys.end, HEAD_DIM);
            if (VALUE_WEIGHTED) {
                norms = value_norms(&all_values, &first_head.keys, g, j0, keys.end);
            }
            for (int r = 0; r < block.rows; r++) {
                if (r % BLOCK == 0) {
                    multiply_keys(dot, query + r, &k_run, count);
                }
                vfloat score = sum_each(dot[r % BLOCK]);
                if (!whole || SOFTCAP || WITH_ALIBI) {
                    const struct head head = HEAD_OF(&a, b, row[r].h);
                    score = finish_scores(score, &a, &head, &row[r], j0, count);
                }
                const vfloat p = exp2_wide(score + start[r]);
                weight[r] = score == -INFINITY ? (vfloat)(0.0f) : VALUE_WEIGHTED ? p * norms : p;
            }
            if (last) {
                gather(&block, &cursor, gathered, weight, j0, count);
            } else {
                for (int r = 0; r < block.rows; r++) {
                    gathered[r] += weight[r];
                }
            }
        }
        if (last && in_a_span(&cursor)) {
            put(&block, gathered, cursor.span);
        }
    }
    /* The sink is counted once: by the first split. */
    for (int r = 0; !VALUE_WEIGHTED && sinks && split == 0 && r < block.rows; r++) {
        const float sink = sinks[place(sinks_at, 0, 0, row[r].h)] * LOG2E;
        if (sink != -INFINITY && block.cell[r] >= 0) {
            block.to[block.cell[r] + span_count] += exp2(sink + start[r]) * block.factor[r];
        }
    }
}

/* A kernel of its own, in this program because compiling it alone takes longer than it is worth. */
#include "attribution/reduce.cl"
