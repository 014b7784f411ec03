/* Tiles of queries, keys and values in local memory and their products in registers, for the kernels
 * of attention/tiled.h.
 *
 * A work-group of ITEMS owns TILE_Q queries of one head and walks the keys TILE_K at a time.
 * Work-item y * LANES + x owns the ROWS queries from y * ROWS on, 4 keys of each tile from x * 4
 * on, and the value columns of quads x, x + LANES, ...
 *
 * Local memory holds words: a number each, or with PER_WORD 2 two numbers of 16 bits as they come.
 * Queries and keys are transposed, [word of the row][row], rows in quads, so that one read gives 4
 * of them.  The quads of word w are permuted by w / 4: work-items that store neighbouring units of
 * neighbouring rows then hit different banks, and a read of all quads stays a read of all banks.
 *
 * Params: TYPE, OUT_TYPE, HEAD_DIM, VALUE_DIM, GROUP, TILE_Q, TILE_K (powers of two), CHUNK (words
 *         of a row that are in local memory at a time), ROWS (4 or 8), PER_WORD, UNROLLED (0 on
 *         CPUs, which compile sooner then), those of score.h. */
#include "base.h"
#include "online_softmax.h"
#include "attention/arguments.h"
#include "attention/score.h"
#include "attention/units.h"

#if UNROLLED
#define EACH UNROLL /* index of an array that is to stay in registers */
#else
#define EACH
#endif
#define LANES (TILE_K / 4) /* work-items that share a query row */
#define ITEMS (LANES * TILE_Q / ROWS)

#define LEAST(a, b) ((a) < (b) ? (a) : (b))
#define MOST(a, b) ((a) > (b) ? (a) : (b))
#define ROUNDED(n, to) (((n) + (to) - 1) / (to) * (to))

#define NARROW(type) ((type) == F16 || (type) == BF16)
#define PACK (PER_WORD == 2 && NARROW(TYPE) && NARROW(KV_TYPE) ? 2 : 1) /* numbers of a word */

/* Words of a query or key, of the chunk of it, and 16-byte quads of these for a tile. */
#define ROW_WORDS (ROUNDED(HEAD_DIM, MOST(UNIT(TYPE), UNIT(KV_TYPE))) / PACK)
#define STEP LEAST(CHUNK, ROW_WORDS)
#define QUERIES_STAY (ROW_WORDS <= CHUNK)
#define QUERY_QUADS (STEP * TILE_Q / 4)
#define KEY_QUADS (STEP * LANES)

/* Quads of value columns of a work-item, of a value row, and how many values there is room for:
 * they replace the keys, and also queries that do not stay. */
#define QUADS ((VALUE_DIM + TILE_K - 1) / TILE_K)
#define VALUE_QUADS (QUADS * LANES / PACK)
#define VALUES_AT (QUERIES_STAY ? QUERY_QUADS : 0)
#define TILE_QUADS MOST(QUERY_QUADS + KEY_QUADS, VALUES_AT + 4 * VALUE_QUADS)
#define VALUE_ROOM ((TILE_QUADS - VALUES_AT) / VALUE_QUADS)
#define VALUES LEAST(TILE_K, VALUE_ROOM >= 64 ? 64 : VALUE_ROOM >= 32 ? 32 : VALUE_ROOM >= 16 ? 16 : VALUE_ROOM >= 8 ? 8 : 4)

/* ---- Loading ---------------------------------------------------------------- */

/* Rows first <= j < end of one head. */
struct source {
    struct rows_of rows;
    const struct keys_of *keys; /* where rows are looked up; NULL: row j is row start + j of entry b */
    int b, g, start, first, end;
};

static inline struct row_place source_row(const struct source *from, const int j)
{
    if (from->keys) {
        return row_place(&from->rows, from->keys, j, from->g);
    }
    const struct row_place row = {place(from->rows.at, from->b, from->start + j, from->g), 0};
    return row;
}

/* A unit of row j from column c on; 0 where there is none. */
INLINE uint4 source_unit(const struct source *from, const int type, const int j, const int c, const int columns,
                         const bool aligned, float *scale)
{
    const bool inside = j >= from->first && j < from->end && c < columns;
    if (!inside) {
        return (uint4)(0);
    }
    const struct row_place row = source_row(from, j);
    if (type == I8) {
        *scale = from->rows.scale[row.scale + c / SCALED];
    }
    return unit_at(type, from->rows.values, row.values + c, columns - c, aligned);
}

/* The words of a unit as they stand in local memory. */
INLINE void words_of(const int type, const uint4 unit, const float scale, uint *word)
{
    if (PACK == 2) {
        vstore4(unit, 0, word);
        return;
    }
    float number[16];
    numbers_of(type, unit, number);
    EACH
    for (int n = 0; n < UNIT(type); n++) {
        word[n] = as_uint(type == I8 ? number[n] * scale : number[n]);
    }
}

/* The quad of word w where rows 4 * n .. 4 * n + 3 of so many stand. */
static inline int quad_of(const int w, const int n, const int rows)
{
    return w * (rows / 4) + (n ^ (w / 4 & (rows / 4 - 1)));
}

INLINE void load_columns(__local uint4 *tile, const int rows, const struct source *from, const int type, const int j0,
                         const int c0, const int item, const bool aligned)
{
    const int units = STEP * PACK / UNIT(type), unit_words = UNIT(type) / PACK;
    for (int n = item; n < rows * units; n += ITEMS) {
        const int row = n / units, u = n % units;
        float scale = 1.0f;
        uint word[16];
        words_of(type, source_unit(from, type, j0 + row, c0 + u * UNIT(type), HEAD_DIM, aligned, &scale), scale, word);
        EACH
        for (int m = 0; m < unit_words; m++) {
            ((__local uint *)(tile + quad_of(u * unit_words + m, row / 4, rows)))[row % 4] = word[m];
        }
    }
}

/* Columns c0 .. of rows j0 .. as [word][row]. */
INLINE void load_transposed(__local uint4 *tile, const int rows, const struct source *from, const int type,
                            const int j0, const int c0, const int item)
{
    if (aligned_rows(type, from->rows.at)) {
        load_columns(tile, rows, from, type, j0, c0, item, true);
    } else {
        load_columns(tile, rows, from, type, j0, c0, item, false);
    }
}

INLINE void load_rows(__local uint4 *tile, const struct source *from, const int j0, const int item, const bool aligned)
{
    const int units = VALUE_QUADS * 4 * PACK / UNIT(KV_TYPE), unit_words = UNIT(KV_TYPE) / PACK;
    for (int n = item; n < VALUES * units; n += ITEMS) {
        const int row = n / units, u = n % units;
        float scale = 1.0f;
        uint word[16];
        words_of(KV_TYPE, source_unit(from, KV_TYPE, j0 + row, u * UNIT(KV_TYPE), VALUE_DIM, aligned, &scale), scale, word);
        EACH
        for (int m = 0; m < unit_words / 4; m++) {
            tile[(row * units + u) * (unit_words / 4) + m] = vload4(m, word);
        }
    }
}

/* Values j0 .. as [row][word]. */
INLINE void load_values(__local uint4 *tile, const struct source *from, const int j0, const int item)
{
    if (aligned_rows(KV_TYPE, from->rows.at)) {
        load_rows(tile, from, j0, item, true);
    } else {
        load_rows(tile, from, j0, item, false);
    }
}

/* ---- Products ---------------------------------------------------------------- */

/* Number `part` of each word. */
INLINE float4 part_of(const int type, const uint4 words, const int part)
{
    if (PACK == 1) {
        return as_float4(words);
    }
    const float2 a = pair_of(type, words.s0), b = pair_of(type, words.s1), c = pair_of(type, words.s2),
                 d = pair_of(type, words.s3);
    return part ? (float4)(a.y, b.y, c.y, d.y) : (float4)(a.x, b.x, c.x, d.x);
}

/* score[r] += query r times 4 keys, over the columns in local memory. */
INLINE void multiply_keys(float4 score[ROWS], __local const uint4 *queries, __local const uint4 *keys, const int x,
                          const int y)
{
    for (int w0 = 0; w0 < STEP; w0 += 4) {
        EACH
        for (int m = 0; m < 4; m++) {
            const uint4 key_words = keys[quad_of(w0, x, TILE_K) + m * LANES];
            uint4 query_words[ROWS / 4];
            EACH
            for (int n = 0; n < ROWS / 4; n++) {
                query_words[n] = queries[quad_of(w0, y * (ROWS / 4) + n, TILE_Q) + m * (TILE_Q / 4)];
            }
            EACH
            for (int part = 0; part < PACK; part++) {
                const float4 key = part_of(KV_TYPE, key_words, part);
                EACH
                for (int n = 0; n < ROWS / 4; n++) {
                    const float4 query = part_of(TYPE, query_words[n], part);
                    score[4 * n] = fma(query.s0, key, score[4 * n]);
                    score[4 * n + 1] = fma(query.s1, key, score[4 * n + 1]);
                    score[4 * n + 2] = fma(query.s2, key, score[4 * n + 2]);
                    score[4 * n + 3] = fma(query.s3, key, score[4 * n + 3]);
                }
            }
        }
    }
}

/* A row's result, in registers: quads x, x + LANES, ... of it. */
struct result {
    float4 quad[QUADS];
};

/* Quad n of a value row. */
INLINE float4 value_quad(__local const uint4 *row, const int n)
{
    if (PACK == 1) {
        return as_float4(row[n]);
    }
    const uint2 words = ((__local const uint2 *)row)[n];
    return (float4)(pair_of(KV_TYPE, words.s0), pair_of(KV_TYPE, words.s1));
}

/* sum[r] += weight r times a value row. */
INLINE void add_value(struct result sum[ROWS], const float weight[ROWS], __local const uint4 *row, const int x)
{
    EACH
    for (int n = 0; n < QUADS; n++) {
        const float4 value = value_quad(row, x + n * LANES);
        EACH
        for (int r = 0; r < ROWS; r++) {
            sum[r].quad[n] = fma(weight[r], value, sum[r].quad[n]);
        }
    }
}

/* Where values are not finite, those that are not seen must be left out: with a weight of 0 they
 * would count.  A work-item looks at its own columns, if the tile has keys that are not seen; at
 * their bits, as some compilers take 0 times any value for 0. */
INLINE bool all_finite(__local const uint4 *values, const int x)
{
    int4 top = 0;
    UNROLL_BY(1)
    for (int j = 0; j < VALUES; j++) {
        EACH
        for (int n = 0; n < QUADS; n++) {
            top = max(top, as_int4(value_quad(values + j * VALUE_QUADS, x + n * LANES)) & INT_MAX);
        }
    }
    return max(max(top.s0, top.s1), max(top.s2, top.s3)) < as_int(INFINITY);
}

/* Such a value for one row: a weight of -0 is a key that is not seen. */
INLINE void add_if_seen(struct result *sum, const float weight, __local const uint4 *row, const int x)
{
    EACH
    for (int n = 0; n < QUADS; n++) {
        const float4 value = value_quad(row, x + n * LANES);
        sum->quad[n] = fma(weight, as_int(weight) < 0 ? (float4)(0.0f) : value, sum->quad[n]);
    }
}

/* ---- Scores -------------------------------------------------------------------- */

INLINE float4 finish_four(const float4 score, const struct score_arguments *a, const struct head *head, const int i,
                          const int j, const bool whole, const float scale)
{
    float four[4];
    vstore4(score, 0, four);
    EACH
    for (int t = 0; t < 4; t++) {
        const bool seen = i < head->n_q && (whole || sees(a, head, i, j + t));
        four[t] = seen ? finish_score(a, head, i, j + t, scale * four[t]) : -INFINITY;
    }
    return vload4(0, four);
}

/* Rows are finished and stored in a loop that is not unrolled, and takes row 0 each time of a ring
 * that turns: short code, yet every index is known, so that all stays in registers. */
#define TURN(rows)                                                                                 \
    EACH                                                                                           \
    for (int n = 1; n < ROWS; n++) {                                                               \
        rows[n - 1] = rows[n];                                                                     \
    }

/* Scores of queries i .. and keys j .. j + 3, -inf where a key is not seen. */
INLINE void finish_scores(float4 score[ROWS], const struct score_arguments *a, const struct head *head, const int i,
                          const int j, const bool whole, const float scale)
{
    if (!SOFTCAP && !WITH_ALIBI && whole) {
        EACH
        for (int r = 0; r < ROWS; r++) {
            score[r] *= scale;
        }
        return;
    }
    ROLLED
    for (int r = 0; r < ROWS; r++) {
        const float4 finished = finish_four(score[0], a, head, i + r, j, whole, scale);
        TURN(score)
        score[ROWS - 1] = finished;
    }
}

/* What the work-items of a row join their shares to. */
enum of_row { LARGEST, SUM };

INLINE float largest(const float4 score)
{
    const float a = score.s0 > score.s1 ? score.s0 : score.s1, b = score.s2 > score.s3 ? score.s2 : score.s3;
    return a > b ? a : b;
}

/* Weights of 4 scores, of which the row's largest is largest; by *factor older sums shrink.  -0 marks
 * a key that is not seen: it adds nothing to the sum, and its value, which may be NaN, is left out. */
INLINE float4 take_scores(struct softmax *row, const float4 score, const float largest, float *factor)
{
    const float top = largest > row->max ? largest : row->max, base = top == -INFINITY ? 0.0f : top;
    const float4 power = (score - base) * LOG2E;
    const float4 weight = (float4)(exp2(power.s0), exp2(power.s1), exp2(power.s2), exp2(power.s3));
    *factor = exp2((row->max - base) * LOG2E);
    row->max = top;
    row->sum = row->sum * *factor + ((weight.s0 + weight.s1) + (weight.s2 + weight.s3));
    return score == -INFINITY ? (float4)(-0.0f) : weight;
}

/* ---- The end --------------------------------------------------------------------- */

INLINE void store_result(__global void *out, const long row, const struct result *result, const float normal, const int x)
{
    EACH
    for (int n = 0; n < QUADS; n++) {
        float four[4];
        vstore4(result->quad[n] * normal, 0, four);
        EACH
        for (int c = 0; c < 4; c++) {
            const int column = (x + n * LANES) * 4 + c;
            if (column < VALUE_DIM) {
                store(OUT_TYPE, out, row + column, four[c]);
            }
        }
    }
}
