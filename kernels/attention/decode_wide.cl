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

#define VECTORS(columns) (((columns) + WIDTH - 1) / WIDTH)
#define QK_VECTORS VECTORS(HEAD_DIM)
#define V_VECTORS VECTORS(VALUE_DIM)
#define MOST_VECTORS (QK_VECTORS > V_VECTORS ? QK_VECTORS : V_VECTORS)
#define ROWS (BLOCKS * BLOCK)
/* BLOCK * PART vectors of results are summed at a time, in registers. */
#define SUMS (WIDTH == 8 ? 8 : 16)
#define PART (BLOCK < SUMS ? SUMS / BLOCK : 1)
#define AHEAD WIDTH /* how many keys from now a row is asked for */
#define LN2 0.69314718055994530942f

/* One row of a tensor as whole vectors; the columns behind its end are 0. */
static inline void load_row(vfloat *to, __global const void *values, const long row, const int columns)
{
    int c = 0;
    for (; c + WIDTH <= columns; c += WIDTH) {
        to[c / WIDTH] = load_wide(TYPE, values, row + c);
    }
    if (columns % WIDTH) {
        float tail[WIDTH];
        for (int n = 0; n < WIDTH; n++) {
            tail[n] = c + n < columns ? load(TYPE, values, row + c + n) : 0.0f;
        }
        to[c / WIDTH] = *(const vfloat_at *)tail;
    }
}

/* Whether rows can be used where they lie: whole vectors. */
#define IN_PLACE(columns) ((columns) % WIDTH == 0)

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
    vint seen = j >= row->low && j <= row->high;
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
static inline void multiply_keys(vfloat dot[BLOCK][WIDTH], vfloat query[][QK_VECTORS], const vfloat *tile,
                                 __global const void *k, const long row, const long step, const int count)
{
    for (int t = 0; t < count; t++) {
        vfloat sum[BLOCK];
        UNROLL
        for (int r = 0; r < BLOCK; r++) {
            sum[r] = 0.0f;
        }
        UNROLL_BY(8)
        for (int n = 0; n < QK_VECTORS; n++) {
            const vfloat key = IN_PLACE(HEAD_DIM) ? load_wide(TYPE, k, row + t * step + n * WIDTH) : tile[t * QK_VECTORS + n];
            if (IN_PLACE(HEAD_DIM) && BLOCK > 1) {
                soon(TYPE, k, row + (t + AHEAD) * step + n * WIDTH);
            }
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

/* result[r] += weight[r][t] * value row t, vectors first .. first + vectors of it; whole: no
 * weight is -0, which leaves its value out. */
static inline void add_values(vfloat result[][V_VECTORS], float weight[][WIDTH], const vfloat *tile,
                              __global const void *v, const long row, const long step, const int count,
                              const bool whole, const int first, const int vectors)
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
            const vfloat value =
                IN_PLACE(VALUE_DIM) ? load_wide(TYPE, v, row + t * step + (first + n) * WIDTH) : tile[t * V_VECTORS + first + n];
            if (IN_PLACE(VALUE_DIM) && BLOCK > 1) {
                soon(TYPE, v, row + (t + AHEAD) * step + (first + n) * WIDTH);
            }
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

static inline void add_all_values(vfloat result[][V_VECTORS], float weight[][WIDTH], const vfloat *tile,
                                  __global const void *v, const long row, const long step, const int count,
                                  const bool whole)
{
    for (int n = 0; n + PART <= V_VECTORS; n += PART) {
        add_values(result, weight, tile, v, row, step, count, whole, n, PART);
    }
    if (V_VECTORS % PART) {
        add_values(result, weight, tile, v, row, step, count, whole, V_VECTORS - V_VECTORS % PART, V_VECTORS % PART);
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
    const int rows = min(ROWS, n_q * GROUP - r0);
    const struct score_arguments a = SCORE_ARGUMENTS;

    vfloat query[ROWS][QK_VECTORS], result[ROWS][V_VECTORS], tile[WIDTH * MOST_VECTORS];
    vfloat total[ROWS]; /* sums of weights, by lane */
    float weight[ROWS][WIDTH];
    struct row row[ROWS];
    struct span keys = {n_k, 0};
    for (int r = 0; r < rows; r++) {
        const int i = (r0 + r) / GROUP, h = g * GROUP + (r0 + r) % GROUP;
        const struct head head = HEAD_OF(&a, b, h);
        row[r] = row_of(&a, &head, i, h);
        keys.first = min(keys.first, row[r].low);
        keys.end = max(keys.end, row[r].high + 1);
        load_row(query[r], q, place(q_at, b, i, h), HEAD_DIM);
        for (int n = 0; n < QK_VECTORS; n++) {
            query[r][n] *= scale * LOG2E;
        }
        for (int n = 0; n < V_VECTORS; n++) {
            result[r][n] = 0.0f;
        }
        /* The sink is counted once: by the first split. */
        const float sink = sinks && split == 0 ? sinks[place(sinks_at, 0, 0, h)] * LOG2E : -INFINITY;
        row[r].max = sink;
        total[r] = 0.0f;
        total[r].s0 = sink == -INFINITY ? 0.0f : 1.0f;
    }
    const struct head first_head = HEAD_OF(&a, b, g * GROUP);
    const int last_row = (r0 + rows - 1) / GROUP, first_row = r0 / GROUP;
    keys.first = max(keys.first, split * split_keys);
    keys.end = min(keys.end, (int)min((long)n_k, (long)(split + 1) * split_keys));

    for (int j0 = keys.first; j0 < keys.end; j0 += WIDTH) {
        const int count = min(WIDTH, keys.end - j0);
        const bool whole = count == WIDTH && wholly_visible(&a, &first_head, first_row, last_row, j0, j0 + WIDTH);
        const long k_row = place(k_at, b, j0, g), v_row = place(v_at, b, j0, g);
        if (!IN_PLACE(HEAD_DIM)) {
            for (int t = 0; t < count; t++) {
                load_row(tile + t * QK_VECTORS, k, k_row + t * k_at.z, HEAD_DIM);
            }
        }
        vfloat dot[BLOCK][WIDTH];
        for (int r = 0; r < rows; r++) {
            if (r % BLOCK == 0) {
                multiply_keys(dot, query + r, tile, k, k_row, k_at.z, count);
            }
            vfloat score = sum_each(dot[r % BLOCK]);
            if (!whole || SOFTCAP || WITH_ALIBI) {
                const struct head head = HEAD_OF(&a, b, row[r].h);
                score = finish_scores(score, &a, &head, &row[r], j0, count);
            }
            const float top = largest_lane(score);
            if (top > row[r].max) {
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
        if (!IN_PLACE(VALUE_DIM)) {
            for (int t = 0; t < count; t++) {
                load_row(tile + t * V_VECTORS, v, v_row + t * v_at.z, VALUE_DIM);
            }
        }
        for (int r = 0; r < rows; r += BLOCK) {
            if (whole) {
                add_all_values(result + r, weight + r, tile, v, v_row, v_at.z, count, true);
            } else {
                add_all_values(result + r, weight + r, tile, v, v_row, v_at.z, count, false);
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
                store(OUT_TYPE, out, place(out_at, b, i, h) + c, values[c]);
            }
        }
        if (parts) {
            parts[part + VALUE_DIM] = log_sum;
        } else if (lse) {
            lse[place(lse_at, b, i, h)] = log_sum;
        }
    }
}

/* A kernel of its own, in this program because compiling it alone takes longer than it is worth. */
#include "attention/merge.cl"
