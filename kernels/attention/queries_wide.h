/* Scores of a block of queries, a query per lane: what kernels share that walk the keys a tile at a
 * time, broadcasting a key's numbers against vectors of queries.
 *
 * Scores are in units of log2: the scale times log2(e) is folded into the queries.  A weight of -0
 * marks a key that its query does not see.
 *
 * Params: TYPE, HEAD_DIM, WIDTH, VECTORS, KEYS, TILE_K, and those of score.h. */
#include "attention/keys_wide.h"

#define ROWS (VECTORS * WIDTH)
#define EXTRA (WITH_BIAS || WITH_MASK)
#define RELATIVE_SCORES (!SOFTCAP && !WITH_ALIBI) /* where the reference may be within the product */

/* Rows in memory, columns here. */
static inline void load_queries(vfloat query[HEAD_DIM][VECTORS], __global const void *q, const long row0,
                                const long step, const int i0, const int i1, const float factor)
{
    for (int n = 0; n < VECTORS; n++) {
        int c = 0;
        for (; c + WIDTH <= HEAD_DIM; c += WIDTH) {
            vfloat rows[WIDTH];
            UNROLL
            for (int r = 0; r < WIDTH; r++) {
                rows[r] = load_wide(TYPE, q, row0 + min(i0 + n * WIDTH + r, i1) * step + c) * factor;
            }
            transpose(rows);
            UNROLL
            for (int r = 0; r < WIDTH; r++) {
                query[c + r][n] = rows[r];
            }
        }
        for (; c < HEAD_DIM; c++) {
            float column[WIDTH];
            for (int r = 0; r < WIDTH; r++) {
                column[r] = load(TYPE, q, row0 + min(i0 + n * WIDTH + r, i1) * step + c) * factor;
            }
            query[c][n] = *(const vfloat_at *)column;
        }
    }
}

/* What the lanes of a block see: keys low <= j <= high, where mask and bias allow it. */
struct rows {
    vint low[VECTORS], high[VECTORS];
    vfloat position[VECTORS];
};

static inline void see(struct rows *rows, const struct score_arguments *a, const struct head *head,
                       const int i0, const int i1)
{
    for (int n = 0; n < VECTORS; n++) {
        const vint i = min(lanes() + (i0 + n * WIDTH), (vint)(i1));
        const vint p = add_sat(i, (vint)(head->position));
        rows->position[n] = JOIN(convert_float, WIDTH)(p);
        rows->low[n] = WINDOW && a->window_left >= 0 ? sub_sat(p, (vint)(a->window_left)) : (vint)(0);
        rows->high[n] = (vint)(head->used - 1);
        if (CAUSAL) {
            rows->high[n] = min(rows->high[n], p);
        }
        if (WINDOW && a->window_right >= 0) {
            rows->high[n] = min(rows->high[n], add_sat(p, (vint)(a->window_right)));
        }
    }
}

/* Bias in units of log2; -inf where bias or mask hide the key. */
static inline float extra_of(const struct score_arguments *a, const float bias, const bool seen)
{
    return !seen || bias == -INFINITY ? -INFINITY : clamp(bias * LOG2E, -FLT_MAX, FLT_MAX);
}

/* Puts bias and mask of keys j0 .. j0 + count - 1 where their weights will be. */
static inline void load_extra(vfloat weight[TILE_K][VECTORS], const struct score_arguments *a,
                              const struct head *head, const int i0, const int i1, const int j0, const int count)
{
    for (int n = 0; n < VECTORS; n++) {
        int j = 0;
        for (; j + WIDTH <= count; j += WIDTH) {
            vfloat rows[WIDTH];
            UNROLL
            for (int r = 0; r < WIDTH; r++) {
                const long i = min(i0 + n * WIDTH + r, i1);
                vfloat extra = 0.0f;
                if (WITH_BIAS) {
                    extra = load_wide(BIAS_TYPE, a->bias, head->bias + i * a->bias_at.z + j0 + j);
                    soon(BIAS_TYPE, a->bias, head->bias + i * a->bias_at.z + j0 + j + TILE_K);
                    const vint hidden = extra == -INFINITY;
                    const vfloat most = FLT_MAX;
                    extra *= LOG2E; /* still finite if it was */
                    extra = extra < -most ? -most : extra;
                    extra = extra > most ? most : extra;
                    extra = hidden ? (vfloat)(-INFINITY) : extra;
                }
                if (WITH_MASK) {
                    const vint seen = JOIN(convert_int, WIDTH)(
                        JOIN(vload, WIDTH)(0, a->mask + head->mask + i * a->mask_at.z + j0 + j));
                    extra = seen == 0 ? (vfloat)(-INFINITY) : extra;
                }
                rows[r] = extra;
            }
            transpose(rows);
            UNROLL
            for (int r = 0; r < WIDTH; r++) {
                weight[j + r][n] = rows[r];
            }
        }
        for (; j < count; j++) {
            float column[WIDTH];
            for (int r = 0; r < WIDTH; r++) {
                const long i = min(i0 + n * WIDTH + r, i1);
                const bool seen = !WITH_MASK || a->mask[head->mask + i * a->mask_at.z + j0 + j];
                column[r] = extra_of(
                    a, WITH_BIAS ? load(BIAS_TYPE, a->bias, head->bias + i * a->bias_at.z + j0 + j) : 0.0f, seen);
            }
            weight[j][n] = *(const vfloat_at *)column;
        }
    }
}

/* KEYS keys from row j on, widened and side by side; rows from end on repeat the last. */
static inline void load_keys(float *wide_keys, const struct rows_of *all_keys, const struct keys_of *keys, const int g,
                             const int j, const int end)
{
    for (int t = 0; t < KEYS; t++) {
        const struct row_place row = row_place(all_keys, keys, min(j + t, end - 1), g);
        int c = 0;
        UNROLL_BY(4)
        for (; c + WIDTH <= HEAD_DIM; c += WIDTH) {
            *(vfloat_at *)(wide_keys + t * HEAD_DIM + c) = load_row_wide(all_keys, row, c);
        }
        for (; c < HEAD_DIM; c++) {
            wide_keys[t * HEAD_DIM + c] = load_of(all_keys, row, c);
        }
    }
}

/* score[t] = start + Q^T K[t]; f32 keys are read in place, narrower ones were widened first. */
static inline void multiply_keys(vfloat score[KEYS][VECTORS], vfloat query[HEAD_DIM][VECTORS],
                                 __global const float *const *key_row, const float *wide_keys,
                                 const vfloat start[VECTORS])
{
    vfloat part[KEYS][VECTORS];
    UNROLL
    for (int t = 0; t < KEYS; t++) {
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            part[t][n] = start[n];
        }
    }
    UNROLL_BY(2)
    for (int c = 0; c < HEAD_DIM; c++) {
        vfloat column[VECTORS];
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            column[n] = query[c][n];
        }
        UNROLL
        for (int t = 0; t < KEYS; t++) {
            const vfloat key = KV_TYPE == F32 ? key_row[t][c] : wide_keys[t * HEAD_DIM + c];
            UNROLL
            for (int n = 0; n < VECTORS; n++) {
                part[t][n] = fma(key, column[n], part[t][n]);
            }
        }
    }
    UNROLL
    for (int t = 0; t < KEYS; t++) {
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            score[t][n] = part[t][n];
        }
    }
}

/* KEYS scores to weights, when every query sees these keys, but for mask and bias.  A loop that is
 * unrolled no further than a key: else compilers keep more alive than there are registers. */
static inline void weigh(vfloat (*weight)[VECTORS], vfloat score[KEYS][VECTORS], vfloat top[VECTORS],
                         vfloat total[VECTORS])
{
    UNROLL_BY(1)
    for (int t = 0; t < KEYS; t++) {
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            vfloat s = score[t][n];
            vint hidden = 0;
            if (EXTRA) {
                const vfloat extra = weight[t][n];
                hidden = extra == -INFINITY;
                s += extra;
            }
            top[n] = s > top[n] ? s : top[n];
            vfloat p = exp2_wide(s);
            if (EXTRA) {
                p = hidden ? (vfloat)(-0.0f) : p;
            }
            total[n] += p;
            weight[t][n] = p;
        }
    }
}

/* The same with all that may stand between a dot product and its weight.  relative: weights
 * are wanted; else scores, -inf for what is not seen. */
static inline void weigh_any(vfloat (*weight)[VECTORS], vfloat score[KEYS][VECTORS], vfloat top[VECTORS],
                             vfloat total[VECTORS], const vfloat start[VECTORS], const struct rows *rows,
                             const int j, const float cap, const float slope, const bool relative)
{
    UNROLL_BY(1)
    for (int i = 0; i < KEYS * VECTORS; i++) {
        const int t = i / VECTORS, n = i % VECTORS, key = j + t;
        vfloat s = score[t][n];
        if (SOFTCAP) {
            s = fma(tanh(s / cap), (vfloat)(cap), start[n]);
        }
        if (WITH_ALIBI) {
            s = fma(fabs(rows->position[n] - (float)key), (vfloat)(slope), s);
        }
        vint seen = key >= rows->low[n] && key <= rows->high[n];
        if (EXTRA) {
            const vfloat extra = weight[t][n];
            seen = seen && extra != -INFINITY;
            s += extra;
        }
        s = seen ? s : (vfloat)(-INFINITY);
        top[n] = s > top[n] ? s : top[n];
        if (relative) {
            s = s == -INFINITY ? (vfloat)(-0.0f) : exp2_wide(s);
            total[n] += s;
        }
        weight[t][n] = s;
    }
}

/* Weights (or scores, as weigh_any) of keys j0 .. j0 + count - 1, their sums and their largest. */
INLINE void weigh_tile(vfloat weight[TILE_K][VECTORS], vfloat top[VECTORS], vfloat total[VECTORS],
                       vfloat query[HEAD_DIM][VECTORS], const vfloat start[VECTORS], float *wide_keys,
                       const struct rows_of *all_keys, const struct score_arguments *a, const struct head *head,
                       const struct rows *rows, const int g, const int i0, const int i1, const int j0,
                       const int count, const int end, const bool relative)
{
    const bool open_tile = within_bounds(a, head, i0, i1, j0, j0 + count);
    const float cap = SOFTCAP ? a->softcap * LOG2E : 1.0f;
    for (int n = 0; n < VECTORS; n++) {
        total[n] = 0.0f;
        top[n] = -INFINITY;
    }
    if (EXTRA) {
        load_extra(weight, a, head, i0, i1, j0, count);
    }
    for (int j = 0; j < count; j += KEYS) {
        vfloat score[KEYS][VECTORS];
        const vfloat zero[VECTORS] = {0.0f};
        if (KV_TYPE != F32) {
            load_keys(wide_keys, all_keys, &head->keys, g, j0 + j, end);
        }
        __global const float *key_row[KEYS];
        UNROLL
        for (int t = 0; t < KEYS; t++) {
            key_row[t] = (__global const float *)all_keys->values +
                         key_place(&head->keys, all_keys->at, min(j0 + j + t, end - 1), g);
        }
        multiply_keys(score, query, key_row, wide_keys, SOFTCAP ? zero : start);
        if (RELATIVE_SCORES && relative && j + KEYS <= count &&
            (open_tile || within_bounds(a, head, i0, i1, j0 + j, j0 + j + KEYS))) {
            weigh(weight + j, score, top, total);
        } else {
            weigh_any(weight + j, score, top, total, start, rows, j0 + j, cap, head->slope * LOG2E, relative);
        }
    }
}
