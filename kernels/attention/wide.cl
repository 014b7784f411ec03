/* Attention for CPU devices: queries in the lanes.
 *
 * One work-item owns ROWS = VECTORS * WIDTH queries of one head and walks the keys
 * TILE_K at a time.  With a query per lane both products have the same shape, a key's
 * or value's number broadcast against a vector of queries, in register tiles of
 * KEYS x VECTORS accumulators, and softmax never looks across lanes:
 *   S^T[j] += K[j][c] * Q^T[c]      P[j] = 2^(S^T[j] - m)      O^T[c] += V[j][c] * P[j]
 *
 * Scores are in units of log2 (the scale times log2(e) is folded into Q) and taken
 * relative to m, which lags behind the running maximum: f32 holds 2^60 without harm, so
 * m moves, and the sums are rescaled, only when a score runs more than 60 above it.
 * While it stands, accumulators start at -m and 2^s happens in the register tile.
 *
 * A weight of -0 marks a key that its query does not see: it adds nothing, and where a
 * value is not finite it tells the product to leave it out.
 *
 * Launch: global {n_q / ROWS rounded up, query_heads, batch}, local {1, 1, 1}.
 * Memory: (HEAD_DIM + VALUE_DIM + TILE_K) * ROWS floats, no local memory.
 * Params: TYPE, OUT_TYPE, HEAD_DIM, VALUE_DIM, GROUP, WIDTH, VECTORS, KEYS, TILE_K,
 *         and those of score.h. */
#include "base.h"
#include "wide.h"
#include "attention/arguments.h"
#include "attention/score.h"

#define ROWS (VECTORS * WIDTH)
#define HEADROOM 60.0f
#define LN2 0.69314718055994530942f

/* ---- Queries and results: rows in memory, columns here ----------------------- */

static inline void load_queries(vfloat query[HEAD_DIM][VECTORS], __global const void *q,
                                const long4 q_at, const int b, const int h, const int i0, const int i1,
                                const float factor)
{
    for (int n = 0; n < VECTORS; n++) {
        int c = 0;
        for (; c + WIDTH <= HEAD_DIM; c += WIDTH) {
            vfloat rows[WIDTH];
            UNROLL
            for (int r = 0; r < WIDTH; r++) {
                rows[r] = load_wide(TYPE, q, place(q_at, b, min(i0 + n * WIDTH + r, i1), h) + c) * factor;
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
                column[r] = load(TYPE, q, place(q_at, b, min(i0 + n * WIDTH + r, i1), h) + c) * factor;
            }
            query[c][n] = JOIN(vload, WIDTH)(0, column);
        }
    }
}

static inline void store_results(vfloat sum[VALUE_DIM][VECTORS], __global void *out, const long4 out_at,
                                 const int b, const int h, const int i0, const int i1)
{
    for (int n = 0; n < VECTORS; n++) {
        const int rows_left = i1 + 1 - i0 - n * WIDTH;
        int c = 0;
        for (; c + WIDTH <= VALUE_DIM; c += WIDTH) {
            vfloat rows[WIDTH];
            UNROLL
            for (int r = 0; r < WIDTH; r++) {
                rows[r] = sum[c + r][n];
            }
            transpose(rows);
            UNROLL
            for (int r = 0; r < WIDTH; r++) {
                if (r < rows_left) {
                    store_wide(OUT_TYPE, out, place(out_at, b, i0 + n * WIDTH + r, h) + c, rows[r]);
                }
            }
        }
        for (; c < VALUE_DIM; c++) {
            float column[WIDTH];
            JOIN(vstore, WIDTH)(sum[c][n], 0, column);
            for (int r = 0; r < min(rows_left, WIDTH); r++) {
                store(OUT_TYPE, out, place(out_at, b, i0 + n * WIDTH + r, h) + c, column[r]);
            }
        }
    }
}

/* ---- Scores ------------------------------------------------------------------ */

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
                    const vint hidden = extra == -INFINITY;
                    extra = clamp(extra * LOG2E, -FLT_MAX, FLT_MAX);
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
            weight[j][n] = JOIN(vload, WIDTH)(0, column);
        }
    }
}

/* KEYS keys from row j on, widened and side by side; rows from end on repeat the last. */
static inline void load_keys(float keys[KEYS * HEAD_DIM], __global const void *k, const long4 k_at, const int b,
                             const int g, const int j, const int end)
{
    for (int t = 0; t < KEYS; t++) {
        const long row = place(k_at, b, min(j + t, end - 1), g);
        int c = 0;
        for (; c + WIDTH <= HEAD_DIM; c += WIDTH) {
            JOIN(vstore, WIDTH)(load_wide(TYPE, k, row + c), 0, keys + t * HEAD_DIM + c);
        }
        for (; c < HEAD_DIM; c++) {
            keys[t * HEAD_DIM + c] = load(TYPE, k, row + c);
        }
    }
}

/* score[t] = start + Q^T K[t] */
static inline void multiply_keys(vfloat score[KEYS][VECTORS], vfloat query[HEAD_DIM][VECTORS],
                                 const float keys[KEYS * HEAD_DIM], const vfloat start[VECTORS])
{
    UNROLL
    for (int t = 0; t < KEYS; t++) {
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            score[t][n] = start[n];
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
            const vfloat key = keys[t * HEAD_DIM + c];
            UNROLL
            for (int n = 0; n < VECTORS; n++) {
                score[t][n] = fma(key, column[n], score[t][n]);
            }
        }
    }
}

/* ---- Values ------------------------------------------------------------------ */

/* O^T[c .. c + columns) += V[j][c] * P[j]; columns is at most KEYS and a constant. */
static inline void multiply_values(vfloat sum[VALUE_DIM][VECTORS], vfloat weight[TILE_K][VECTORS],
                                   __global const void *v, const long4 v_at, const int b, const int g, const int j0,
                                   const int count, const int c, const int columns)
{
    vfloat part[KEYS][VECTORS];
    UNROLL
    for (int t = 0; t < columns; t++) {
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            part[t][n] = sum[c + t][n];
        }
    }
    long row = place(v_at, b, j0, g) + c;
    for (int j = 0; j < count; j++) {
        vfloat w[VECTORS];
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            w[n] = weight[j][n];
        }
        UNROLL
        for (int t = 0; t < columns; t++) {
            const vfloat value = load(TYPE, v, row + t);
            UNROLL
            for (int n = 0; n < VECTORS; n++) {
                part[t][n] = fma(value, w[n], part[t][n]);
            }
        }
        row += v_at.z;
    }
    UNROLL
    for (int t = 0; t < columns; t++) {
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            sum[c + t][n] = part[t][n];
        }
    }
}

/* Whether any value of the tile is NaN or infinite. */
static inline bool not_finite(__global const void *v, const long4 v_at, const int b, const int g, const int j0,
                              const int count)
{
    vfloat zero = 0.0f;
    float rest = 0.0f;
    for (int j = 0; j < count; j++) {
        const long row = place(v_at, b, j0 + j, g);
        int c = 0;
        for (; c + WIDTH <= VALUE_DIM; c += WIDTH) {
            zero = fma(load_wide(TYPE, v, row + c), (vfloat)(0.0f), zero);
        }
        for (; c < VALUE_DIM; c++) {
            rest = fma(load(TYPE, v, row + c), 0.0f, rest);
        }
    }
    return any(zero != 0.0f) || rest != 0.0f;
}

/* The same product where values that are not seen may be NaN: slow, rare. */
static inline void multiply_seen_values(vfloat sum[VALUE_DIM][VECTORS], vfloat weight[TILE_K][VECTORS],
                                        __global const void *v, const long4 v_at, const int b, const int g,
                                        const int j0, const int count)
{
    for (int j = 0; j < count; j++) {
        const long row = place(v_at, b, j0 + j, g);
        for (int c = 0; c < VALUE_DIM; c++) {
            const vfloat value = load(TYPE, v, row + c);
            for (int n = 0; n < VECTORS; n++) {
                const vint hidden = JOIN(as_int, WIDTH)(weight[j][n]) < 0;
                sum[c][n] = fma(hidden ? (vfloat)(0.0f) : value, weight[j][n], sum[c][n]);
            }
        }
    }
}

/* ---- The kernel -------------------------------------------------------------- */

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void attention_wide(ATTENTION_ARGUMENTS)
{
    const int h = get_group_id(1), b = get_group_id(2), g = h / GROUP;
    const int i0 = get_group_id(0) * ROWS, i1 = min(i0 + ROWS, n_q) - 1;
    if (i0 >= n_q) {
        return;
    }
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head head = HEAD_OF(&a, b, h);
    const struct span keys = visible_span(&a, &head, i0, i1);
    const float cap = SOFTCAP ? softcap * LOG2E : 1.0f;

    vfloat query[HEAD_DIM][VECTORS], sum[VALUE_DIM][VECTORS], weight[TILE_K][VECTORS];
    float key_rows[KEYS * HEAD_DIM];
    vfloat reference[VECTORS], total[VECTORS]; /* m, and the sum of weights */
    struct rows rows;
    load_queries(query, q, q_at, b, h, i0, i1, scale * LOG2E);
    see(&rows, &a, &head, i0, i1);
    for (int n = 0; n < VECTORS; n++) {
        reference[n] = -INFINITY;
        total[n] = 0.0f;
        for (int c = 0; c < VALUE_DIM; c++) {
            sum[c][n] = 0.0f;
        }
    }

    bool settled = false; /* every lane has a reference */
    for (int j0 = keys.first; j0 < keys.end; j0 += TILE_K) {
        const int count = min(TILE_K, keys.end - j0);
        const bool whole_tile = wholly_visible(&a, &head, i0, i1, j0, j0 + count);
        vfloat tile_total[VECTORS], top[VECTORS];
        bool relative = settled;
        while (true) {
            vfloat start[VECTORS];
            for (int n = 0; n < VECTORS; n++) {
                start[n] = relative ? -reference[n] : (vfloat)(0.0f);
                tile_total[n] = 0.0f;
                top[n] = -INFINITY;
            }
            if (WITH_BIAS || WITH_MASK) {
                load_extra(weight, &a, &head, i0, i1, j0, count);
            }
            for (int j = 0; j < count; j += KEYS) {
                vfloat score[KEYS][VECTORS];
                const vfloat zero[VECTORS] = {0.0f};
                const bool whole = j + KEYS <= count &&
                                   (whole_tile || wholly_visible(&a, &head, i0, i1, j0 + j, j0 + j + KEYS));
                load_keys(key_rows, k, k_at, b, g, j0 + j, keys.end);
                multiply_keys(score, query, key_rows, SOFTCAP ? zero : start);
                if (SOFTCAP || WITH_ALIBI) {
                    for (int t = 0; t < KEYS; t++) {
                        for (int n = 0; n < VECTORS; n++) {
                            if (SOFTCAP) {
                                score[t][n] = fma(tanh(score[t][n] / cap), (vfloat)(cap), start[n]);
                            }
                            if (WITH_ALIBI) {
                                const vfloat distance = fabs(rows.position[n] - (float)(j0 + j + t));
                                score[t][n] = fma(distance, (vfloat)(head.slope * LOG2E), score[t][n]);
                            }
                        }
                    }
                }
                if (!whole) {
                    UNROLL
                    for (int t = 0; t < KEYS; t++) {
                        UNROLL
                        for (int n = 0; n < VECTORS; n++) {
                            const vint key = j0 + j + t;
                            vint seen = key >= rows.low[n] && key <= rows.high[n];
                            if (WITH_BIAS || WITH_MASK) {
                                const vfloat extra = weight[j + t][n];
                                seen = seen && extra != -INFINITY;
                                score[t][n] = seen ? score[t][n] + extra : (vfloat)(-INFINITY);
                            } else {
                                score[t][n] = seen ? score[t][n] : (vfloat)(-INFINITY);
                            }
                        }
                    }
                }
                /* Keys behind count are seen by none: their weights are -0 or never read. */
                UNROLL
                for (int t = 0; t < KEYS; t++) {
                    UNROLL
                    for (int n = 0; n < VECTORS; n++) {
                        top[n] = fmax(top[n], score[t][n]);
                        if (relative) {
                            vfloat p = exp2_wide(score[t][n]);
                            if (!whole) {
                                p = score[t][n] == -INFINITY ? (vfloat)(-0.0f) : p;
                            }
                            tile_total[n] += p;
                            weight[j + t][n] = p;
                        } else {
                            weight[j + t][n] = score[t][n];
                        }
                    }
                }
            }
            vint over = 0;
            for (int n = 0; n < VECTORS; n++) {
                over |= top[n] > HEADROOM;
            }
            if (!relative || !any(over)) {
                break;
            }
            relative = false;
        }

        if (!relative) {
            settled = true;
            for (int n = 0; n < VECTORS; n++) {
                const vfloat next = fmax(reference[n], top[n]);
                const vint none = next == -INFINITY;
                const vfloat m = none ? (vfloat)(0.0f) : next;
                const vint first = reference[n] == -INFINITY;
                /* Until a lane has seen a key its sums are 0, or NaN, which stays. */
                const vfloat factor = first ? (vfloat)(1.0f) : exp2_wide(reference[n] - m);
                for (int j = 0; j < count; j++) {
                    const vfloat p = exp2_wide(weight[j][n] - m);
                    weight[j][n] = weight[j][n] == -INFINITY ? (vfloat)(-0.0f) : p;
                    tile_total[n] += weight[j][n];
                }
                for (int c = 0; c < VALUE_DIM; c++) {
                    sum[c][n] *= factor;
                }
                total[n] *= factor;
                reference[n] = next;
                settled = settled && !any(none);
            }
        }
        for (int n = 0; n < VECTORS; n++) {
            total[n] += tile_total[n];
        }

        if (!whole_tile && not_finite(v, v_at, b, g, j0, count)) {
            multiply_seen_values(sum, weight, v, v_at, b, g, j0, count);
            continue;
        }
        int c = 0;
        for (; c + KEYS <= VALUE_DIM; c += KEYS) {
            multiply_values(sum, weight, v, v_at, b, g, j0, count, c, KEYS);
        }
        if (VALUE_DIM % KEYS) {
            multiply_values(sum, weight, v, v_at, b, g, j0, count, c, VALUE_DIM % KEYS);
        }
    }

    const float sink = sinks ? sinks[place(sinks_at, 0, 0, h)] * LOG2E : -INFINITY;
    for (int n = 0; n < VECTORS; n++) {
        const vfloat top = fmax(reference[n], (vfloat)(sink));
        const vfloat m = top == -INFINITY ? (vfloat)(0.0f) : top;
        const vfloat factor = exp2_wide(reference[n] - m);
        total[n] *= factor;
        if (sink != -INFINITY) {
            total[n] += exp2_wide(sink - m);
        }
        const vfloat normal = total[n] == 0.0f ? (vfloat)(0.0f) : factor / total[n];
        for (int c = 0; c < VALUE_DIM; c++) {
            sum[c][n] *= normal;
        }
        if (lse) {
            float row[WIDTH];
            const vfloat log_sum = total[n] == 0.0f ? (vfloat)(-INFINITY) : m * LN2 + log(total[n]);
            JOIN(vstore, WIDTH)(log_sum, 0, row);
            for (int r = 0; r < min(WIDTH, i1 + 1 - i0 - n * WIDTH); r++) {
                lse[place(lse_at, b, i0 + n * WIDTH + r, h)] = row[r];
            }
        }
    }
    store_results(sum, out, out_at, b, h, i0, i1);
}
