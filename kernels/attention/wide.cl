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
 * A tile that wants more (an edge of what is visible, softcap, ALiBi) takes its scores
 * through memory, in a loop that is not unrolled: slower, and little code to compile.
 *
 * A weight of -0 marks a key that its query does not see: it adds nothing to a finite
 * value.  If a result is not finite the block is computed again, leaving such values out.
 *
 * Launch: global {n_q / ROWS rounded up, query_heads, batch}, local {1, 1, 1}.
 * Memory: (HEAD_DIM + VALUE_DIM + TILE_K) * ROWS floats; KEYS * (HEAD_DIM + TILE_K) more where
 * keys and values are widened.
 * Params: TYPE, OUT_TYPE, HEAD_DIM, VALUE_DIM, GROUP, WIDTH, VECTORS, KEYS, TILE_K,
 *         and those of score.h. */
#include "base.h"
#include "wide.h"
#include "attention/arguments.h"
#include "attention/score.h"
#include "attention/queries_wide.h"

#define SCATTERED_F32 (SCATTERED && KV_TYPE == F32)
#define HEADROOM 60.0f
#define LN2 0.69314718055994530942f

static inline void store_results(vfloat sum[VALUE_DIM][VECTORS], __global void *out, const long row0,
                                 const long step, const int i0, const int i1)
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
                    store_wide(OUT_TYPE, out, row0 + (i0 + n * WIDTH + r) * step + c, rows[r]);
                }
            }
        }
        for (; c < VALUE_DIM; c++) {
            float column[WIDTH];
            *(vfloat_at *)column = sum[c][n];
            for (int r = 0; r < min(rows_left, WIDTH); r++) {
                store(OUT_TYPE, out, row0 + (i0 + n * WIDTH + r) * step + c, column[r]);
            }
        }
    }
}

/* A key's scores, to guess where those of the first tile lie. */
static inline void guess(vfloat reference[VECTORS], vfloat query[HEAD_DIM][VECTORS], const struct rows_of *all_keys,
                         const struct row_place row)
{
    for (int n = 0; n < VECTORS; n++) {
        reference[n] = 0.0f;
    }
    for (int c = 0; c < HEAD_DIM; c++) {
        const vfloat key = load_of(all_keys, row, c);
        for (int n = 0; n < VECTORS; n++) {
            reference[n] = fma(key, query[c][n], reference[n]);
        }
    }
}

/* ---- Values ------------------------------------------------------------------ */

/* Values of a tile: rows that do not follow each other are looked up once. */
struct tile_values {
    struct rows_of rows;
    struct row_place first;                       /* row 0 of the tile */
    struct row_place row[SCATTERED ? TILE_K : 1]; /* each, if they are scattered */
};

static inline struct row_place value_row(const struct tile_values *tile, const int j)
{
    struct row_place row = tile->row[SCATTERED ? j : 0];
    if (!SCATTERED) {
        row.values = tile->first.values + j * tile->rows.at.z;
        row.scale = tile->first.scale + j * tile->rows.scale_at.z;
    }
    return row;
}

static inline void find_values(struct tile_values *tile, const struct keys_of *keys, const int g, const int j0,
                               const int count)
{
    tile->first = row_place(&tile->rows, keys, j0, g);
    for (int j = 0; SCATTERED && j < count; j++) {
        tile->row[j] = row_place(&tile->rows, keys, j0 + j, g);
    }
}

/* KEYS consecutive values, widened; halves go through a variable as in wide.h. */
static inline JOIN(float, KEYS) load_some(__global const void *v, const long index)
{
    if (KV_TYPE == F32) {
        return JOIN(vload, KEYS)(0, (__global const float *)v + index);
    }
    if (KV_TYPE == I8) {
        return JOIN(convert_float, KEYS)(JOIN(vload, KEYS)(0, (__global const char *)v + index));
    }
    const JOIN(ushort, KEYS) bits = JOIN(vload, KEYS)(0, (__global const ushort *)v + index);
    if (KV_TYPE == F16) {
        return JOIN(vload_half, KEYS)(0, (const half *)&bits);
    }
    return JOIN(as_float, KEYS)(JOIN(convert_uint, KEYS)(bits) << 16);
}

/* Columns c .. c + columns of the tile's values, widened, KEYS side by side. */
static inline void load_values(float values[TILE_K * KEYS], const struct tile_values *tile, const int c,
                               const int count, const int columns)
{
    for (int j = 0; j < count; j++) {
        const struct row_place row = value_row(tile, j);
        if (columns == KEYS) {
            const float scale = KV_TYPE == I8 ? tile->rows.scale[row.scale + c / SCALED] : 1.0f;
            JOIN(vstore, KEYS)(load_some(tile->rows.values, row.values + c) * scale, j, values);
        } else {
            for (int t = 0; t < columns; t++) {
                values[j * KEYS + t] = load_of(&tile->rows, row, c + t);
            }
        }
    }
}

/* O^T[c .. c + columns) += V[j][c] * P[j]; columns is at most KEYS and a constant.  f32 is
 * read in place, what is narrower is widened first, once for all queries. */
static inline void multiply_values(vfloat (*sum)[VECTORS], vfloat weight[TILE_K][VECTORS], float values[TILE_K * KEYS],
                                   const struct tile_values *tile, const int c, const int count, const int columns)
{
    vfloat part[KEYS][VECTORS];
    if (KV_TYPE != F32) {
        load_values(values, tile, c, count, columns);
    }
    UNROLL
    for (int t = 0; t < columns; t++) {
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            part[t][n] = 0.0f;
        }
    }
    __global const float *v = (__global const float *)tile->rows.values + c;
    long row = tile->first.values;
    for (int j = 0; j < count; j++) {
        vfloat w[VECTORS];
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            w[n] = weight[j][n];
        }
        if (SCATTERED_F32) {
            row = tile->row[j].values;
        }
        UNROLL
        for (int t = 0; t < columns; t++) {
            const vfloat value = KV_TYPE == F32 ? v[row + t] : values[j * KEYS + t];
            UNROLL
            for (int n = 0; n < VECTORS; n++) {
                part[t][n] = fma(value, w[n], part[t][n]);
            }
        }
        row += tile->rows.at.z;
    }
    UNROLL
    for (int t = 0; t < columns; t++) {
        UNROLL
        for (int n = 0; n < VECTORS; n++) {
            sum[t][n] += part[t][n];
        }
    }
}

/* The same product where values that are not seen may be NaN: slow, rare. */
static inline void multiply_seen_values(vfloat sum[VALUE_DIM][VECTORS], vfloat weight[TILE_K][VECTORS],
                                        const struct tile_values *tile, const int count)
{
    for (int j = 0; j < count; j++) {
        const struct row_place row = value_row(tile, j);
        for (int c = 0; c < VALUE_DIM; c++) {
            const vfloat value = load_of(&tile->rows, row, c);
            for (int n = 0; n < VECTORS; n++) {
                const vint hidden = JOIN(as_int, WIDTH)(weight[j][n]) < 0;
                sum[c][n] = fma(hidden ? (vfloat)(0.0f) : value, weight[j][n], sum[c][n]);
            }
        }
    }
}

static inline bool all_finite(vfloat sum[VALUE_DIM][VECTORS])
{
    vfloat zero = 0.0f;
    for (int c = 0; c < VALUE_DIM; c++) {
        for (int n = 0; n < VECTORS; n++) {
            zero = fma(sum[c][n], (vfloat)(0.0f), zero);
        }
    }
    return all(zero == 0.0f);
}

/* ---- Softmax ----------------------------------------------------------------- */

/* Moves the reference to the largest score so far, and turns the tile's scores to weights. */
static inline bool settle(vfloat reference[VECTORS], const vfloat top[VECTORS], vfloat total[VECTORS],
                          vfloat tile_total[VECTORS], vfloat sum[VALUE_DIM][VECTORS],
                          vfloat weight[TILE_K][VECTORS], const int count)
{
    bool settled = true;
    for (int n = 0; n < VECTORS; n++) {
        const vfloat next = fmax(reference[n], top[n]);
        const vint none = next == -INFINITY;
        const vfloat m = none ? (vfloat)(0.0f) : next;
        const vint first = reference[n] == -INFINITY;
        /* Until a lane has seen a key its sums are 0, or NaN, which stays. */
        const vfloat factor = first ? (vfloat)(1.0f) : exp2_wide(reference[n] - m);
        for (int j = 0; j < count; j++) {
            const vfloat s = weight[j][n];
            weight[j][n] = s == -INFINITY ? (vfloat)(-0.0f) : exp2_wide(s - m);
            tile_total[n] += weight[j][n];
        }
        for (int c = 0; c < VALUE_DIM; c++) {
            sum[c][n] *= factor;
        }
        total[n] *= factor;
        reference[n] = next;
        settled = settled && !any(none);
    }
    return settled;
}

/* ---- The kernel -------------------------------------------------------------- */

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void attention_wide(ATTENTION_ARGUMENTS)
{
    const int h = get_group_id(1), b = get_group_id(2), g = h / GROUP;
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head head = HEAD_OF(&a, b, h);
    const int i0 = get_group_id(0) * ROWS, i1 = min(i0 + ROWS, head.n_q) - 1;
    if (i0 >= head.n_q) {
        return;
    }
    const struct rows_of all_keys = KEY_ROWS;
    const struct span keys = visible_span(&a, &head, i0, i1);

    vfloat query[HEAD_DIM][VECTORS], sum[VALUE_DIM][VECTORS], weight[TILE_K][VECTORS];
    float wide_keys[KV_TYPE == F32 ? 1 : KEYS * HEAD_DIM], values[KV_TYPE == F32 ? 1 : TILE_K * KEYS];
    struct tile_values tile = {VALUE_ROWS};
    vfloat reference[VECTORS], total[VECTORS]; /* m, and the sum of weights */
    struct rows rows;
    load_queries(query, q, place(q_at, b, head.q0, h), q_at.z, i0, i1, scale * LOG2E);
    see(&rows, &a, &head, i0, i1);

    bool careful = false; /* values that are not seen may not be finite */
    do {
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
            const bool open_tile = within_bounds(&a, &head, i0, i1, j0, j0 + count);
            const bool guessed = j0 == keys.first;
            vfloat tile_total[VECTORS], top[VECTORS];
            bool relative = settled || guessed;
            if (guessed) {
                guess(reference, query, &all_keys, row_place(&all_keys, &head.keys, j0, g));
            }
            while (true) {
                vfloat start[VECTORS];
                for (int n = 0; n < VECTORS; n++) {
                    start[n] = relative ? -reference[n] : (vfloat)(0.0f);
                }
                weigh_tile(weight, top, tile_total, query, start, wide_keys, &all_keys, &a, &head, &rows, g, i0, i1,
                           j0, count, keys.end, relative);
                vint off = 0;
                for (int n = 0; n < VECTORS; n++) {
                    off |= !(top[n] <= HEADROOM) || (guessed && !(top[n] >= -HEADROOM));
                }
                if (!relative || !any(off)) {
                    break;
                }
                relative = false;
                for (int n = 0; guessed && n < VECTORS; n++) {
                    reference[n] = -INFINITY;
                }
            }
            settled = settled || guessed;
            if (!relative) {
                settled = settle(reference, top, total, tile_total, sum, weight, count);
            }
            for (int n = 0; n < VECTORS; n++) {
                total[n] += tile_total[n];
            }
            find_values(&tile, &head.keys, g, j0, count);
            if (careful && (EXTRA || !open_tile)) {
                multiply_seen_values(sum, weight, &tile, count);
                continue;
            }
            for (int c = 0; c + KEYS <= VALUE_DIM; c += KEYS) {
                multiply_values(sum + c, weight, values, &tile, c, count, KEYS);
            }
            if (VALUE_DIM % KEYS) {
                const int c = VALUE_DIM - VALUE_DIM % KEYS;
                multiply_values(sum + c, weight, values, &tile, c, count, VALUE_DIM % KEYS);
            }
        }
        careful = !careful && !all_finite(sum);
    } while (careful);

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
            *(vfloat_at *)row = log_sum;
            for (int r = 0; r < min(WIDTH, i1 + 1 - i0 - n * WIDTH); r++) {
                lse[place(lse_at, b, head.q0 + i0 + n * WIDTH + r, h)] = row[r];
            }
        }
    }
    store_results(sum, out, place(out_at, b, head.q0, h), out_at.z, i0, i1);
}
