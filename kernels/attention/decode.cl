/* Attention of few queries over many keys, for GPUs: bound by memory, so each key and value is read
 * once, 16 bytes at a time.
 *
 * The query heads of a kv head and the queries of a call are the rows; a work-group owns up to ROWS
 * of them and one split of the keys.  LANES work-items share a key, each some 16-byte units of it
 * for all rows, and SLOTS keys are looked at side by side, KEYS times before scores are needed:
 *   dot[row][key]   a work-item's columns; those of all LANES are added while they are exchanged,
 *                   so that each is left with one whole score
 *   P               every work-item gets the scores of its keys and keeps a softmax for all rows
 *   O += P V        its units of the values
 * Where there are sub-groups, LANES are lanes of one and nothing waits; else scores go through local
 * memory.  The results of the slots are joined at the end, those of splits by attention/merge.
 *
 * Launch: global {splits * ITEMS, kv_heads * ((n_q * GROUP) / ROWS rounded up), batch},
 *         local {ITEMS, 1, 1}.
 * Local:  ITEMS * VALUE_DIM / LANES floats, without sub-groups at least ROWS * KEYS * (ITEMS + 4).
 * Memory: ROWS * (HEAD_DIM + VALUE_DIM) / LANES floats per work-item, in registers.
 * Params: TYPE, OUT_TYPE, HEAD_DIM, VALUE_DIM, GROUP, LANES (a power of two), ROWS, KEYS (powers of two;
 *         ROWS * KEYS is at most LANES), ITEMS, those of lanes.h (LANES_BY 0 = no sub-groups), of score.h. */
#include "base.h"
#if LANES_BY
#include "lanes.h"
#else
#define SUBGROUPS
#endif
#include "online_softmax.h"
#include "attention/arguments.h"
#include "attention/score.h"
#include "attention/units.h"

#define SLOTS (ITEMS / LANES)
#define SCORES (ROWS * KEYS) /* of a slot, in one step; the first KEYS are of row 0 */
#define STEP (SLOTS * KEYS)
#define COLUMNS UNIT(KV_TYPE)
#define UNITS(columns) (((columns) + COLUMNS * LANES - 1) / (COLUMNS * LANES)) /* of a work-item */
#define QK_UNITS UNITS(HEAD_DIM)
#define V_UNITS UNITS(VALUE_DIM)
#define PITCH (ITEMS + 4) /* neighbouring scores lie in other banks */
#define RESULTS (ITEMS * V_UNITS * COLUMNS)
#define EXCHANGED (LANES_BY ? 0 : SCORES * PITCH)
#define SCRATCH (RESULTS > EXCHANGED ? RESULTS : EXCHANGED)

/* ---- Keys and values ------------------------------------------------------------ */

struct unit {
    uint4 bits;
    float scale;
};

/* The units of one row that work-item x has, all asked for before one is used. */
INLINE void load_units(struct unit *to, const struct rows_of *rows, const struct keys_of *keys, const int j, const int end,
                       const int g, const int x, const int columns, const bool aligned)
{
    const struct row_place row = row_place(rows, keys, min(j, end - 1), g);
    UNROLL
    for (int n = 0; n < UNITS(columns); n++) {
        const int c = (x + n * LANES) * COLUMNS;
        const bool inside = j < end && c < columns;
        to[n].bits = inside ? unit_at(KV_TYPE, rows->values, row.values + c, columns - c, aligned) : (uint4)(0);
        to[n].scale = KV_TYPE == I8 && inside ? rows->scale[row.scale + c / SCALED] : 0.0f;
    }
}

INLINE void open_unit(const struct unit *unit, float *number)
{
    numbers_of(KV_TYPE, unit->bits, number);
    UNROLL
    for (int c = 0; c < COLUMNS && KV_TYPE == I8; c++) {
        number[c] *= unit->scale;
    }
}

/* A row's columns in one work-item: of a query, or of a result. */
struct query {
    float unit[QK_UNITS][COLUMNS];
};

struct result {
    float unit[V_UNITS][COLUMNS];
};

/* ---- Exchange ------------------------------------------------------------------- */

/* From each work-item's parts of all scores to one whole score: number x * SCORES / LANES. */
#if LANES_BY
INLINE float whole_score(float part[SCORES], const int x, __local float *scratch)
{
    int left = SCORES;
    UNROLL
    for (int mask = LANES / 2; mask > 0; mask /= 2) {
        const bool upper = x & mask;
        UNROLL
        for (int n = 0; n < SCORES / 2; n++) {
            if (n < left / 2) {
                const float kept = upper ? part[n + left / 2] : part[n], given = upper ? part[n] : part[n + left / 2];
                part[n] = kept + lane_xor(given, mask);
            }
        }
        if (left == 1) {
            part[0] += lane_xor(part[0], mask);
        }
        left = left > 1 ? left / 2 : 1;
    }
    return part[0];
}

/* The scores of all work-items of a slot. */
INLINE void share_scores(float score[SCORES], const float mine, const int x, __local float *scratch)
{
    const int first = lane_id() - x;
    UNROLL
    for (int n = 0; n < SCORES; n++) {
        score[n] = lane_at(mine, first + n * (LANES / SCORES));
    }
}
#else
INLINE float whole_score(float part[SCORES], const int x, __local float *scratch)
{
    const int item = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    UNROLL
    for (int n = 0; n < SCORES; n++) {
        scratch[n * PITCH + item] = part[n];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    float4 sum = 0.0f;
    for (int n = 0; n < LANES / 4; n++) {
        sum += vload4(n, scratch + x * SCORES / LANES * PITCH + (item - x));
    }
    return (sum.s0 + sum.s1) + (sum.s2 + sum.s3);
}

INLINE void share_scores(float score[SCORES], const float mine, const int x, __local float *scratch)
{
    const int item = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    scratch[item] = mine;
    barrier(CLK_LOCAL_MEM_FENCE);
    UNROLL
    for (int n = 0; n < SCORES; n++) {
        score[n] = scratch[item - x + n * (LANES / SCORES)];
    }
}
#endif

/* ---- One step -------------------------------------------------------------------- */

INLINE void multiply_keys(float part[SCORES], const struct query query[ROWS], const struct unit keys[KEYS][QK_UNITS])
{
    UNROLL
    for (int t = 0; t < KEYS; t++) {
        float sum[ROWS];
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            sum[r] = 0.0f;
        }
        UNROLL
        for (int n = 0; n < QK_UNITS; n++) {
            float number[16];
            open_unit(&keys[t][n], number);
            UNROLL
            for (int c = 0; c < COLUMNS; c++) {
                UNROLL
                for (int r = 0; r < ROWS; r++) {
                    sum[r] = fma(query[r].unit[n][c], number[c], sum[r]);
                }
            }
        }
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            part[r * KEYS + t] = sum[r];
        }
    }
}

/* Scores become weights, -0 for a key that is not seen; results shrink where a maximum rises. */
INLINE void take_scores(float score[SCORES], struct softmax softmax[ROWS], struct result result[ROWS])
{
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        float top = softmax[r].max;
        UNROLL
        for (int t = 0; t < KEYS; t++) {
            top = score[r * KEYS + t] > top ? score[r * KEYS + t] : top;
        }
        if (top > softmax[r].max) {
            const float factor = softmax_weight(softmax[r].max, top);
            softmax[r].max = top;
            softmax[r].sum *= factor;
            UNROLL
            for (int n = 0; n < V_UNITS; n++) {
                UNROLL
                for (int c = 0; c < COLUMNS; c++) {
                    result[r].unit[n][c] *= factor;
                }
            }
        }
        UNROLL
        for (int t = 0; t < KEYS; t++) {
            const float s = score[r * KEYS + t], weight = s == -INFINITY ? -0.0f : softmax_weight(s, top);
            softmax[r].sum += weight;
            score[r * KEYS + t] = weight;
        }
    }
}

INLINE void add_values(struct result result[ROWS], const float weight[SCORES], const struct unit values[KEYS][V_UNITS],
                       const bool all_seen)
{
    UNROLL
    for (int t = 0; t < KEYS; t++) {
        UNROLL
        for (int n = 0; n < V_UNITS; n++) {
            float number[16];
            open_unit(&values[t][n], number);
            UNROLL
            for (int r = 0; r < ROWS; r++) {
                const float w = weight[r * KEYS + t];
                UNROLL
                for (int c = 0; c < COLUMNS; c++) {
                    const float value = all_seen || as_int(w) >= 0 ? number[c] : 0.0f;
                    result[r].unit[n][c] = fma(w, value, result[r].unit[n][c]);
                }
            }
        }
    }
}

/* ---- The kernel ------------------------------------------------------------------- */

__kernel SUBGROUPS __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void attention_decode(ATTENTION_ARGUMENTS, __global float *parts, const long4 parts_at, const int split_keys,
                      const int heads)
{
    __local float scratch[SCRATCH];
    __local float tops[SLOTS * ROWS], sums[SLOTS * ROWS];

#if LANES_BY
    const int item = team_id() * SUBGROUP + lane_id();
#else
    const int item = get_local_id(0);
#endif
    const int x = item % LANES, slot = item / LANES, split = get_group_id(0), b = get_group_id(2);
    const int chunks = (n_q * GROUP + ROWS - 1) / ROWS;
    if (chunks == 0) {
        return;
    }
    const int g = get_group_id(1) / chunks, r0 = get_group_id(1) % chunks * ROWS;
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct rows_of key_rows = KEY_ROWS, value_rows = VALUE_ROWS;
    /* The score that this work-item finishes is of row own, key t of a step's. */
    const int own = x * SCORES / LANES / KEYS, t_own = x * SCORES / LANES % KEYS;
    const int i_own = (r0 + own) / GROUP;
    const struct head head = HEAD_OF(&a, b, g * GROUP + (r0 + own) % GROUP);
    const int rows = min(ROWS, head.n_q * GROUP - r0);
    if (rows <= 0) {
        return;
    }
    const int i0 = r0 / GROUP, i1 = (r0 + rows - 1) / GROUP;
    const bool k_aligned = aligned_rows(KV_TYPE, k_at), v_aligned = aligned_rows(KV_TYPE, v_at);

    struct query query[ROWS];
    struct result result[ROWS];
    struct softmax softmax[ROWS]; /* of this slot's keys */
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        const int i = (r0 + r) / GROUP, h = g * GROUP + (r0 + r) % GROUP;
        const long q_row = place(q_at, b, head.q0 + min(i, i1), h);
        UNROLL
        for (int n = 0; n < QK_UNITS; n++) {
            UNROLL
            for (int c = 0; c < COLUMNS; c++) {
                const int column = (x + n * LANES) * COLUMNS + c;
                query[r].unit[n][c] = r < rows && column < HEAD_DIM ? load(TYPE, q, q_row + column) : 0.0f;
            }
        }
        UNROLL
        for (int n = 0; n < V_UNITS; n++) {
            UNROLL
            for (int c = 0; c < COLUMNS; c++) {
                result[r].unit[n][c] = 0.0f;
            }
        }
        /* The sink is counted once: by the first slot of the first split. */
        const bool counts = sinks && split == 0 && slot == 0 && r < rows;
        softmax[r] = softmax_begin(counts ? sinks[place(sinks_at, 0, 0, h)] : -INFINITY);
    }
    struct span keys = visible_span(&a, &head, i0, i1);
    /* Splits are counted from the oldest key that is there. */
    const long begin = head.first + (long)split * split_keys;
    keys.first = max(keys.first, (int)min(begin, (long)INT_MAX));
    keys.end = (int)min((long)keys.end, begin + split_keys);

    for (int j0 = keys.first; j0 < keys.end; j0 += STEP) {
        const bool whole = rows == ROWS && j0 + STEP <= keys.end && wholly_visible(&a, &head, i0, i1, j0, j0 + STEP);
        struct unit key[KEYS][QK_UNITS], value[KEYS][V_UNITS];
        UNROLL
        for (int t = 0; t < KEYS; t++) {
            const int j = j0 + t * SLOTS + slot;
            load_units(key[t], &key_rows, &head.keys, j, keys.end, g, x, HEAD_DIM, k_aligned);
            load_units(value[t], &value_rows, &head.keys, j, keys.end, g, x, VALUE_DIM, v_aligned);
        }
        float score[SCORES];
        multiply_keys(score, query, key);
        const int j = j0 + t_own * SLOTS + slot;
        const float product = scale * whole_score(score, x, scratch);
        const bool seen = whole || (own < rows && j < keys.end && sees(&a, &head, i_own, j));
        share_scores(score, seen ? finish_score(&a, &head, i_own, j, product) : -INFINITY, x, scratch);
        take_scores(score, softmax, result);
        add_values(result, score, value, whole);
    }

    /* Results of the slots become one. */
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        if (x == 0) {
            tops[slot * ROWS + r] = softmax[r].max;
            sums[slot * ROWS + r] = softmax[r].sum;
        }
    }
    ROLLED
    for (int r = 0; r < rows; r++) {
        barrier(CLK_LOCAL_MEM_FENCE);
        struct softmax all = softmax_begin(-INFINITY);
        for (int n = 0; n < SLOTS; n++) {
            all.max = tops[n * ROWS + r] > all.max ? tops[n * ROWS + r] : all.max;
        }
        for (int n = 0; n < SLOTS; n++) {
            all.sum += sums[n * ROWS + r] * softmax_weight(tops[n * ROWS + r], all.max);
        }
        const float factor = softmax_weight(softmax[0].max, all.max) * softmax_scale(all);
        UNROLL
        for (int n = 0; n < V_UNITS; n++) {
            UNROLL
            for (int c = 0; c < COLUMNS; c++) {
                scratch[((slot * V_UNITS + n) * LANES + x) * COLUMNS + c] = result[0].unit[n][c] * factor;
            }
        }
        UNROLL
        for (int n = 1; n < ROWS; n++) {
            result[n - 1] = result[n];
            softmax[n - 1] = softmax[n];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        const int i = (r0 + r) / GROUP, h = g * GROUP + (r0 + r) % GROUP;
        const long part = parts_at.x + ((((long)split * get_num_groups(2) + b) * n_q + i) * heads + h) * (VALUE_DIM + 1);
        for (int c = item; c < VALUE_DIM; c += ITEMS) {
            float sum = 0.0f;
            for (int n = 0; n < SLOTS; n++) {
                sum += scratch[n * V_UNITS * LANES * COLUMNS + c];
            }
            if (parts) {
                parts[part + c] = sum;
            } else {
                store(OUT_TYPE, out, place(out_at, b, head.q0 + i, h) + c, sum);
            }
        }
        if (item == 0 && parts) {
            parts[part + VALUE_DIM] = softmax_lse(all);
        } else if (item == 0 && lse) {
            lse[place(lse_at, b, head.q0 + i, h)] = softmax_lse(all);
        }
    }
}

/* A kernel of its own, in this program because compiling it alone takes longer than it is worth. */
#include "attention/merge.cl"
