/* Attention of few queries over many keys, for CPU devices: lanes along head_dim.
 *
 * The query heads of a kv head and the queries of a call are the rows; one work-item
 * owns up to ROWS of them and one split of the keys, so that each key and value comes
 * from memory once for all its rows.  It walks its keys WIDTH at a time, and for BLOCK
 * rows at a time: a dot product per key and row, whose lanes are then summed for WIDTH
 * keys at once, one test of the running maximum, and the weighted sum of the values.
 *
 * Keys are split where rows alone leave cores idle; then each split writes its own
 * normalised result and lse to parts, and attention/merge joins them.
 *
 * Launch: global {splits, kv_heads * ((n_q * GROUP) / ROWS rounded up), batch}, local {1, 1, 1}.
 * Memory, with ROWS = BLOCKS * BLOCK: ROWS * (HEAD_DIM + VALUE_DIM) + WIDTH * max(HEAD_DIM, VALUE_DIM) floats.
 * Params: TYPE, OUT_TYPE, HEAD_DIM, VALUE_DIM, GROUP, WIDTH, BLOCK (divides GROUP),
 *         BLOCKS, and those of score.h. */
#include "base.h"
#include "wide.h"
#include "attention/arguments.h"
#include "attention/score.h"
#include "attention/rows_wide.h"

/* BLOCK * PART vectors of results are summed at a time, in registers. */
#define SUMS (WIDTH == 8 ? 8 : 16)
#define PART (BLOCK < SUMS ? SUMS / BLOCK : 1)
#define LN2 0.69314718055994530942f

/* result[r] += weight[r][t] * value row t, vectors first .. first + vectors of it; whole: no
 * weight is -0, which leaves its value out. */
INLINE void add_values(vfloat result[][V_VECTORS], float weight[][WIDTH], const struct run *values,
                              const int count, const bool whole, const int first, const int vectors)
{
    vfloat part[BLOCK][PART];
    UNROLL
    for (int r = 0; r < BLOCK; r++) {
        UNROLL
        for (int n = 0; n < vectors; n++) {
            part[r][n] = result[r][first + n];
        }
    }
    for (int t = 0; t < count; t++) {
        UNROLL
        for (int n = 0; n < vectors; n++) {
            const vfloat value = vector_of(values, t, first + n, VALUE_DIM);
            UNROLL
            for (int r = 0; r < BLOCK; r++) {
                const float w = weight[r][t];
                part[r][n] = fma(whole || as_int(w) >= 0 ? value : (vfloat)(0.0f), (vfloat)(w), part[r][n]);
            }
        }
    }
    UNROLL
    for (int r = 0; r < BLOCK; r++) {
        UNROLL
        for (int n = 0; n < vectors; n++) {
            result[r][first + n] = part[r][n];
        }
    }
}

INLINE void add_all_values(vfloat result[][V_VECTORS], float weight[][WIDTH], const struct run *values,
                                  const int count, const bool whole)
{
    for (int n = 0; n + PART <= V_VECTORS; n += PART) {
        add_values(result, weight, values, count, whole, n, PART);
    }
    if (V_VECTORS % PART) {
        add_values(result, weight, values, count, whole, V_VECTORS - V_VECTORS % PART, V_VECTORS % PART);
    }
}

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void attention_decode_wide(ATTENTION_ARGUMENTS, __global float *parts, const long4 parts_at,
                           const int split_keys, const int heads)
{
    const int split = get_group_id(0), b = get_group_id(2);
    const int chunks = (n_q * GROUP + ROWS - 1) / ROWS;
    if (chunks == 0) {
        return;
    }
    const int g = get_group_id(1) / chunks, r0 = get_group_id(1) % chunks * ROWS;
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head first_head = HEAD_OF(&a, b, g * GROUP);
    const int rows = min(ROWS, first_head.n_q * GROUP - r0);
    if (rows <= 0) {
        return;
    }

    vfloat query[ROWS][QK_VECTORS], result[ROWS][V_VECTORS], tile[WIDTH * MOST_VECTORS];
    struct run k_run = {KEY_ROWS}, v_run = {VALUE_ROWS};
    vfloat total[ROWS]; /* sums of weights, by lane */
    float weight[ROWS][WIDTH];
    struct row row[ROWS];
    struct span keys = {INT_MAX, 0};
    k_run.tile = v_run.tile = tile;
    for (int r = 0; r < rows; r++) {
        const int i = (r0 + r) / GROUP, h = g * GROUP + (r0 + r) % GROUP;
        const struct head head = HEAD_OF(&a, b, h);
        row[r] = row_of(&a, &head, i, h);
        keys.first = min(keys.first, row[r].low);
        keys.end = max(keys.end, row[r].high + 1);
        load_query(query[r], q, place(q_at, b, head.q0 + i, h), scale * LOG2E);
        for (int n = 0; n < V_VECTORS; n++) {
            result[r][n] = 0.0f;
        }
        /* The sink is counted once: by the first split. */
        const float sink = sinks && split == 0 ? sinks[place(sinks_at, 0, 0, h)] * LOG2E : -INFINITY;
        row[r].max = sink;
        total[r] = 0.0f;
        total[r].s0 = sink == -INFINITY ? 0.0f : 1.0f;
    }
    const int last_row = (r0 + rows - 1) / GROUP, first_row = r0 / GROUP;
    /* Splits are counted from the oldest key that is there. */
    const long begin = first_head.first + (long)split * split_keys;
    keys.first = max(keys.first, (int)min(begin, (long)INT_MAX));
    keys.end = (int)min((long)keys.end, begin + split_keys);

    int count;
    for (int j0 = keys.first; j0 < keys.end; j0 += count) {
        count = length_of_run(&first_head.keys, j0, keys.end);
        const bool whole = count == WIDTH && wholly_visible(&a, &first_head, first_row, last_row, j0, j0 + WIDTH);
        find_run(&k_run, &first_head.keys, g, j0, count, keys.end, HEAD_DIM);
        vfloat dot[BLOCK][WIDTH];
        for (int r = 0; r < rows; r++) {
            if (r % BLOCK == 0) {
                multiply_keys(dot, query + r, &k_run, count);
            }
            vfloat score = sum_each(dot[r % BLOCK]);
            if (!whole || SOFTCAP || WITH_ALIBI) {
                const struct head head = HEAD_OF(&a, b, row[r].h);
                score = finish_scores(score, &a, &head, &row[r], j0, count);
            }
            if (any_lane(score > row[r].max)) {
                const float top = largest_lane(score);
                const float factor = exp2(row[r].max - top);
                row[r].max = top;
                total[r] *= factor;
                for (int n = 0; n < V_VECTORS; n++) {
                    result[r][n] *= factor;
                }
            }
            vfloat p = exp2_wide(score - (row[r].max == -INFINITY ? 0.0f : row[r].max));
            p = score == -INFINITY ? (vfloat)(-0.0f) : p;
            total[r] += p;
            *(vfloat_at *)weight[r] = p;
        }
        find_run(&v_run, &first_head.keys, g, j0, count, keys.end, VALUE_DIM);
        for (int r = 0; r < rows; r += BLOCK) {
            if (whole) {
                add_all_values(result + r, weight + r, &v_run, count, true);
            } else {
                add_all_values(result + r, weight + r, &v_run, count, false);
            }
        }
    }

    for (int r = 0; r < rows; r++) {
        const int i = row[r].i, h = row[r].h;
        const float sum = sum_lanes(total[r]);
        const float normal = sum == 0.0f ? 0.0f : 1.0f / sum;
        const float log_sum = sum == 0.0f ? -INFINITY : row[r].max * LN2 + log(sum);
        const long part = parts_at.x + ((((long)split * get_num_groups(2) + b) * n_q + i) * heads + h) * (VALUE_DIM + 1);
        float values[V_VECTORS * WIDTH];
        for (int n = 0; n < V_VECTORS; n++) {
            *(vfloat_at *)(values + n * WIDTH) = result[r][n] * normal;
        }
        for (int c = 0; c < VALUE_DIM; c++) {
            if (parts) {
                parts[part + c] = values[c];
            } else {
                store(OUT_TYPE, out, place(out_at, b, first_head.q0 + i, h) + c, values[c]);
            }
        }
        if (parts) {
            parts[part + VALUE_DIM] = log_sum;
        } else if (lse) {
            lse[place(lse_at, b, first_head.q0 + i, h)] = log_sum;
        }
    }
}

/* A kernel of its own, in this program because compiling it alone takes longer than it is worth. */
#include "attention/merge.cl"
