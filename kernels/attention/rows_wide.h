/* Scores of a few rows, lanes along the columns: what kernels share that walk the keys WIDTH at a
 * time, so that each comes from memory once for all query heads of its kv head.
 *
 * Params: TYPE, HEAD_DIM, VALUE_DIM, GROUP, WIDTH, BLOCK (divides GROUP), BLOCKS, and those of
 *         score.h. */
#include "attention/keys_wide.h"

#define VECTORS(columns) (((columns) + WIDTH - 1) / WIDTH)
#define QK_VECTORS VECTORS(HEAD_DIM)
#define V_VECTORS VECTORS(VALUE_DIM)
#define MOST_VECTORS (QK_VECTORS > V_VECTORS ? QK_VECTORS : V_VECTORS)
#define ROWS (BLOCKS * BLOCK)
#define KV_BYTES (KV_TYPE == F32 ? 4 : KV_TYPE == I8 ? 1 : 2)
#define LINE_BYTES 64

/* A query as whole vectors; the columns behind its end are 0. */
static inline void load_query(vfloat query[QK_VECTORS], __global const void *q, const long row, const float factor)
{
    for (int n = 0; n < HEAD_DIM / WIDTH; n++) {
        query[n] = load_wide(TYPE, q, row + n * WIDTH) * factor;
    }
    if (HEAD_DIM % WIDTH) {
        float tail[WIDTH];
        for (int n = 0; n < WIDTH; n++) {
            const int c = HEAD_DIM - HEAD_DIM % WIDTH + n;
            tail[n] = c < HEAD_DIM ? load(TYPE, q, row + c) * factor : 0.0f;
        }
        query[QK_VECTORS - 1] = *(const vfloat_at *)tail;
    }
}

/* A key or value that does not end with a vector, as whole vectors. */
static inline void load_row(vfloat *to, const struct rows_of *rows, const struct row_place row, const int columns)
{
    for (int n = 0; n < columns / WIDTH; n++) {
        to[n] = load_row_wide(rows, row, n * WIDTH);
    }
    to[columns / WIDTH] = load_row_tail(rows, row, columns);
}

/* Whether rows can be used where they lie: whole vectors. */
#define IN_PLACE(columns) ((columns) % WIDTH == 0)

/* A run of up to WIDTH keys or values.  Runs begin where WIDTH divides their first row, and end with
 * a ring, so their rows follow each other, unless pages are of another size: then each is looked up.
 * Contiguous and paged keys make the same runs, and so the same bits. */
#define LOOKED_UP (PAGE_ROWS % WIDTH != 0)

struct run {
    struct rows_of rows;
    struct row_place first, next; /* the first row, and that of the run after this one */
    struct row_place row[LOOKED_UP ? WIDTH : 1];
    vfloat *tile; /* their vectors, if they cannot be used in place */
};

static inline int length_of_run(const struct keys_of *keys, const int j0, const int end)
{
    int count = min(WIDTH - j0 % WIDTH, end - j0);
    if (RING) {
        count = min(count, keys->capacity - j0 % keys->capacity);
    }
    return count;
}

static inline struct row_place place_of(const struct run *run, const int t)
{
    struct row_place row = run->row[LOOKED_UP ? t : 0];
    if (!LOOKED_UP) {
        row.values = run->first.values + t * run->rows.at.z;
        row.scale = run->first.scale + t * run->rows.scale_at.z;
    }
    return row;
}

static inline void find_run(struct run *run, const struct keys_of *keys, const int g, const int j0, const int count,
                            const int end, const int columns)
{
    run->first = row_place(&run->rows, keys, j0, g);
    run->next = row_place(&run->rows, keys, min(j0 + count, end - 1), g);
    for (int t = 0; LOOKED_UP && t < count; t++) {
        run->row[t] = row_place(&run->rows, keys, j0 + t, g);
    }
    for (int t = 0; !IN_PLACE(columns) && t < count; t++) {
        load_row(run->tile + t * VECTORS(columns), &run->rows, place_of(run, t), columns);
    }
}

/* Vector n of row t; asks for the same one of the next run, if a line of memory begins there. */
static inline vfloat vector_of(const struct run *run, const int t, const int n, const int columns)
{
    if (!IN_PLACE(columns)) {
        return run->tile[t * VECTORS(columns) + n];
    }
    if ((BLOCK > 1 || SCATTERED) && n * WIDTH * KV_BYTES % LINE_BYTES == 0) {
        soon(KV_TYPE, run->rows.values, run->next.values + t * run->rows.at.z + n * WIDTH);
    }
    return load_row_wide(&run->rows, place_of(run, t), n * WIDTH);
}

/* A query row, its result so far, and what it sees: keys low <= j <= high. */
struct row {
    int i, h, low, high, position;
    float max;
};

static inline struct row row_of(const struct score_arguments *a, const struct head *head, const int i,
                                const int h)
{
    struct row row = {i, h, 0, head->used - 1, add_sat(head->position, i), -INFINITY};
    const struct span keys = visible_span(a, head, i, i);
    row.low = keys.first;
    row.high = keys.end - 1;
    return row;
}

/* Scores of keys j0 .. j0 + WIDTH - 1 in units of log2; -inf where not visible. */
static inline vfloat finish_scores(vfloat score, const struct score_arguments *a, const struct head *head,
                                   const struct row *row, const int j0, const int count)
{
    const vint j = lanes() + j0;
    vint seen = j >= row->low && j <= row->high && j < j0 + count;
    if (SOFTCAP) {
        const float cap = a->softcap * LOG2E;
        score = cap * tanh(score / cap);
    }
    if (WITH_ALIBI) {
        const vfloat distance = JOIN(convert_float, WIDTH)(abs_diff(j, (vint)(row->position)));
        score = fma(distance, (vfloat)(head->slope * LOG2E), score);
    }
    if (WITH_BIAS || WITH_MASK) {
        float extra[WIDTH];
        for (int n = 0; n < WIDTH; n++) {
            float bias = 0.0f;
            if (WITH_BIAS && n < count) {
                bias = load(BIAS_TYPE, a->bias, head->bias + row->i * a->bias_at.z + j0 + n);
            }
            if (WITH_MASK && n < count) {
                bias = a->mask[head->mask + row->i * a->mask_at.z + j0 + n] ? bias : -INFINITY;
            }
            extra[n] = bias == -INFINITY ? -INFINITY : clamp(bias * LOG2E, -FLT_MAX, FLT_MAX);
        }
        const vfloat added = *(const vfloat_at *)extra;
        seen = seen && added != -INFINITY;
        score += added;
    }
    return seen ? score : (vfloat)(-INFINITY);
}

/* dot[r][t] = lanes of query r times key t, for BLOCK rows: each key is loaded once. */
static inline void multiply_keys(vfloat dot[BLOCK][WIDTH], vfloat query[][QK_VECTORS], const struct run *keys,
                                 const int count)
{
    for (int t = 0; t < count; t++) {
        vfloat sum[BLOCK];
        UNROLL
        for (int r = 0; r < BLOCK; r++) {
            sum[r] = 0.0f;
        }
        UNROLL_BY(8)
        for (int n = 0; n < QK_VECTORS; n++) {
            const vfloat key = vector_of(keys, t, n, HEAD_DIM);
            UNROLL
            for (int r = 0; r < BLOCK; r++) {
                sum[r] = fma(key, query[r][n], sum[r]);
            }
        }
        UNROLL
        for (int r = 0; r < BLOCK; r++) {
            dot[r][t] = sum[r];
        }
    }
    for (int t = count; t < WIDTH; t++) {
        for (int r = 0; r < BLOCK; r++) {
            dot[r][t] = 0.0f;
        }
    }
}
