/* Attribution for CPU devices: queries in the lanes, as attention/wide.
 *
 * A work-item owns ROWS = VECTORS * WIDTH queries of one head, or several such blocks that are
 * added up, and walks the keys TILE_K at a time.  Weights are final where they are made, as the lse
 * is known: they start from it.  A tile within one span leaves its sums; one that spans meet in is
 * added up key by key.
 *
 * Launch: global {walkers, query_heads, batch}, local {1, 1, 1}; walkers is n_q / ROWS rounded up,
 * or how many work-items share the blocks.
 * Memory: (HEAD_DIM + TILE_K) * ROWS floats; KEYS * HEAD_DIM more where keys are widened.
 * Params: TYPE, HEAD_DIM, VALUE_DIM, GROUP, WIDTH, VECTORS, KEYS, TILE_K, those of score.h and of
 *         spans.h. */
#include "base.h"
#include "wide.h"
#include "attention/arguments.h"
#include "attention/score.h"
#include "attention/queries_wide.h"
#include "attribution/spans.h"
#include "attribution/values_wide.h"

/* Weights of a tile times their values' sizes; what is not seen stays out, whatever it holds. */
static inline void weigh_values(vfloat weight[TILE_K][VECTORS], vfloat total[VECTORS], const struct rows_of *values,
                                const struct keys_of *keys, const int g, const int j0, const int count, const int end)
{
    for (int n = 0; n < VECTORS; n++) {
        total[n] = 0.0f;
    }
    for (int j = 0; j < count; j += WIDTH) {
        float norm[WIDTH];
        *(vfloat_at *)norm = value_norms(values, keys, g, j0 + j, end);
        for (int t = 0; t < min(WIDTH, count - j); t++) {
            for (int n = 0; n < VECTORS; n++) {
                const vfloat p = weight[j + t][n];
                const vint hidden = JOIN(as_int, WIDTH)(p) < 0;
                weight[j + t][n] = hidden ? (vfloat)(0.0f) : p * norm[t];
                total[n] += weight[j + t][n];
            }
        }
    }
}

/* Where the masses of each row of a block go. */
struct block {
    struct cells cells;
    vfloat factor[VECTORS];
    int rows, row[OVER_ROWS == SUM_OF_ROWS ? 1 : ROWS]; /* -1 = nowhere */
};

/* Adds what was gathered of a span, and begins anew. */
static inline void put(const struct block *block, vfloat gathered[VECTORS], const int column)
{
    vfloat all = 0.0f;
    for (int n = 0; n < VECTORS; n++) {
        float lane[WIDTH];
        /* Nothing stays nothing, also of a row whose sum is NaN. */
        const vfloat share = gathered[n] == 0.0f ? (vfloat)(0.0f) : gathered[n] * block->factor[n];
        gathered[n] = 0.0f;
        all += share;
        *(vfloat_at *)lane = share;
        for (int r = 0; OVER_ROWS != SUM_OF_ROWS && r < min(WIDTH, block->rows - n * WIDTH); r++) {
            const int row = block->row[n * WIDTH + r];
            if (row >= 0) {
                block->cells.to[block->cells.first + row * block->cells.row + column] += lane[r];
            }
        }
    }
    if (OVER_ROWS == SUM_OF_ROWS) {
        block->cells.to[block->cells.first + column] += sum_lanes(all);
    }
}

/* Adds a tile of weights by span to gathered; a span that ends is put away. */
static inline void gather(const struct block *block, struct cursor *cursor, vfloat gathered[VECTORS],
                          vfloat weight[TILE_K][VECTORS], const vfloat total[VECTORS], const int j0, const int count)
{
    for (int j = j0; j < j0 + count;) {
        if (j >= cursor->end) {
            if (in_a_span(cursor)) {
                put(block, gathered, cursor->span);
            }
            move_to(cursor, j);
        }
        const int end = min(cursor->end, j0 + count);
        for (int n = 0; n < VECTORS && in_a_span(cursor); n++) {
            vfloat sum = end - j == count ? total[n] : (vfloat)(0.0f);
            for (int t = j; end - j < count && t < end; t++) {
                sum += weight[t - j0][n];
            }
            gathered[n] += sum;
        }
        j = end;
    }
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void attribution_wide(ATTENTION_ARGUMENTS, ATTRIBUTION_ARGUMENTS)
{
    const int item = get_group_id(0), h = get_group_id(1), b = get_group_id(2), g = h / GROUP;
    if (item >= walkers) {
        return;
    }
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head head = HEAD_OF(&a, b, h);
    const struct rows_of all_keys = KEY_ROWS, all_values = VALUE_ROWS;
    const struct cursor before = FIRST_SPAN(b);
    const float sink = sinks ? sinks[place(sinks_at, 0, 0, h)] * LOG2E : -INFINITY;

    vfloat query[HEAD_DIM][VECTORS], weight[TILE_K][VECTORS];
    float wide_keys[KV_TYPE == F32 ? 1 : KEYS * HEAD_DIM];
    struct rows rows;
    struct block block = {CELLS_OF(OVER_ROWS == EACH_ROW ? 0 : item, b, h, head.q0)};
    clear_rows(&block.cells, mass_rows);
    for (int i0 = item * ROWS; i0 < head.n_q; i0 += walkers * ROWS) {
        const int i1 = min(i0 + ROWS, head.n_q) - 1;
        const struct span keys = visible_span(&a, &head, i0, i1);
        vfloat start[VECTORS], tile_total[VECTORS], top[VECTORS], gathered[VECTORS], sum[VECTORS];
        block.rows = i1 + 1 - i0;
        load_queries(query, q, place(q_at, b, head.q0, h), q_at.z, i0, i1, scale * LOG2E);
        see(&rows, &a, &head, i0, i1);
        for (int r = 0; OVER_ROWS != SUM_OF_ROWS && r < block.rows; r++) {
            block.row[r] = mass_row(before, &head, i0 + r);
            if (OVER_ROWS == EACH_ROW) {
                clear_row(&block.cells, block.row[r]);
            }
        }
        for (int n = 0; n < VECTORS; n++) {
            float row_lse[WIDTH];
            for (int r = 0; r < WIDTH; r++) {
                row_lse[r] = lse[place(lse_at, b, head.q0 + min(i0 + n * WIDTH + r, i1), h)];
            }
            start[n] = *(const vfloat_at *)row_lse * -LOG2E;
            start[n] = start[n] == INFINITY ? (vfloat)(0.0f) : start[n]; /* nothing is seen */
            gathered[n] = 0.0f;
            sum[n] = 0.0f;
        }
        /* The first time for the sums by which masses are divided, if they are. */
        for (int last = !VALUE_WEIGHTED; last < 2; last++) {
            struct cursor cursor = before;
            for (int n = 0; n < VECTORS && last; n++) {
                float factor[WIDTH], total[WIDTH];
                *(vfloat_at *)total = sum[n];
                for (int r = 0; r < WIDTH; r++) {
                    const int i = i0 + n * WIDTH + r;
                    factor[r] = i > i1 ? 0.0f
                                       : row_factor(row_weight, place(row_weight_at, b, head.q0 + i, h), total[r]);
                }
                block.factor[n] = *(const vfloat_at *)factor;
            }
            for (int j0 = keys.first; j0 < keys.end; j0 += TILE_K) {
                const int count = min(TILE_K, keys.end - j0);
                weigh_tile(weight, top, tile_total, query, start, wide_keys, &all_keys, &a, &head, &rows, g, i0, i1,
                           j0, count, keys.end, true);
                if (VALUE_WEIGHTED) {
                    weigh_values(weight, tile_total, &all_values, &head.keys, g, j0, count, keys.end);
                }
                if (last) {
                    gather(&block, &cursor, gathered, weight, tile_total, j0, count);
                } else {
                    for (int n = 0; n < VECTORS; n++) {
                        sum[n] += tile_total[n];
                    }
                }
            }
            if (last && in_a_span(&cursor)) {
                put(&block, gathered, cursor.span);
            }
        }
        if (!VALUE_WEIGHTED && sinks) {
            for (int n = 0; n < VECTORS; n++) {
                gathered[n] = sink == -INFINITY ? (vfloat)(0.0f) : exp2_wide(sink + start[n]);
            }
            put(&block, gathered, span_count);
        }
    }
}

/* A kernel of its own, in this program because compiling it alone takes longer than it is worth. */
#include "attribution/reduce.cl"
