/* Attention of few queries over many keys, for CPU devices: lanes along head_dim.
 *
 * The query heads of a kv head and the queries of a call are the rows; one work-item
 * owns up to ROWS of them and one split of the keys, so that each key and value comes
 * from memory once for all its rows.  It walks its keys WIDTH at a time: a dot product
 * per key and row whose lanes are then summed for WIDTH keys at once by transposing
 * them, one test of the running maximum, and the weighted sum of the values.
 *
 * Keys are split where rows alone leave cores idle; then each split writes its own
 * normalised result and lse to parts, and attention/merge joins them.
 *
 * Launch: global {splits, kv_heads * ((n_q * GROUP) / ROWS rounded up), batch}, local {1, 1, 1}.
 * Memory: ROWS * (HEAD_DIM + VALUE_DIM) + WIDTH * max(HEAD_DIM, VALUE_DIM) floats.
 * Params: TYPE, OUT_TYPE, HEAD_DIM, VALUE_DIM, GROUP, WIDTH, ROWS, and those of score.h. */
#include "base.h"
#include "wide.h"
#include "attention/arguments.h"
#include "attention/score.h"

#define VECTORS(columns) (((columns) + WIDTH - 1) / WIDTH)
#define QK_VECTORS VECTORS(HEAD_DIM)
#define V_VECTORS VECTORS(VALUE_DIM)
#define MOST_VECTORS (QK_VECTORS > V_VECTORS ? QK_VECTORS : V_VECTORS)
#define REGISTERS 8 /* vectors of a result row that are summed at a time */
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
        to[c / WIDTH] = JOIN(vload, WIDTH)(0, tail);
    }
}

/* Whether rows can be used where they lie: no widening, no tail. */
#define IN_PLACE(columns) (TYPE == F32 && (columns) % WIDTH == 0)

static inline vfloat at(__global const void *values, const long row, const int n)
{
    return JOIN(vload, WIDTH)(n, (__global const float *)values + row);
}

/* A query row, its result so far, and what it sees: keys low <= j <= high. */
struct row {
    int i, h, low, high, position;
    float max, sum;
};

static inline struct row row_of(const struct score_arguments *a, const struct head *head, const int i,
                                const int h)
{
    struct row row = {i, h, 0, head->used - 1, add_sat(head->position, i), -INFINITY, 0.0f};
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
        const vfloat added = JOIN(vload, WIDTH)(0, extra);
        seen = seen && added != -INFINITY;
        score += added;
    }
    return seen ? score : (vfloat)(-INFINITY);
}

static inline float largest(const vfloat x)
{
    float lane[WIDTH], top = -INFINITY;
    JOIN(vstore, WIDTH)(x, 0, lane);
    UNROLL
    for (int n = 0; n < WIDTH; n++) {
        top = fmax(top, lane[n]);
    }
    return top;
}

static inline float sum_of(const vfloat x)
{
    float lane[WIDTH], sum = 0.0f;
    JOIN(vstore, WIDTH)(x, 0, lane);
    UNROLL
    for (int n = 0; n < WIDTH; n++) {
        sum += lane[n];
    }
    return sum;
}

/* result += weight[t] * value row t; a weight of -0 leaves its row out. */
static inline void add_values(vfloat result[V_VECTORS], const float weight[WIDTH], const vfloat *tile,
                              __global const void *v, const long row, const long step, const int count,
                              const bool whole, const int first, const int vectors)
{
    vfloat part[REGISTERS];
    UNROLL
    for (int n = 0; n < vectors; n++) {
        part[n] = result[first + n];
    }
    for (int t = 0; t < count; t++) {
        if (!whole && as_int(weight[t]) < 0) {
            continue;
        }
        UNROLL
        for (int n = 0; n < vectors; n++) {
            const vfloat value = IN_PLACE(VALUE_DIM) ? at(v, row + t * step, first + n)
                                                     : tile[t * V_VECTORS + first + n];
            part[n] = fma(value, (vfloat)(weight[t]), part[n]);
        }
    }
    UNROLL
    for (int n = 0; n < vectors; n++) {
        result[first + n] = part[n];
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
        row[r].sum = sink == -INFINITY ? 0.0f : 1.0f;
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
        for (int r = 0; r < rows; r++) {
            vfloat dot[WIDTH];
            for (int t = 0; t < count; t++) {
                vfloat sum = 0.0f;
                UNROLL_BY(8)
                for (int n = 0; n < QK_VECTORS; n++) {
                    const vfloat key = IN_PLACE(HEAD_DIM) ? at(k, k_row + t * k_at.z, n) : tile[t * QK_VECTORS + n];
                    sum = fma(key, query[r][n], sum);
                }
                dot[t] = sum;
            }
            for (int t = count; t < WIDTH; t++) {
                dot[t] = 0.0f;
            }
            transpose(dot);
            vfloat score = dot[0];
            UNROLL
            for (int n = 1; n < WIDTH; n++) {
                score += dot[n];
            }
            if (!whole || SOFTCAP || WITH_ALIBI) {
                const struct head head = HEAD_OF(&a, b, row[r].h);
                score = finish_scores(score, &a, &head, &row[r], j0, count);
            }
            const float top = largest(score);
            if (top > row[r].max) {
                const float factor = exp2(row[r].max - top);
                row[r].max = top;
                row[r].sum *= factor;
                for (int n = 0; n < V_VECTORS; n++) {
                    result[r][n] *= factor;
                }
            }
            vfloat p = exp2_wide(score - (row[r].max == -INFINITY ? 0.0f : row[r].max));
            p = score == -INFINITY ? (vfloat)(-0.0f) : p;
            row[r].sum += sum_of(p);
            JOIN(vstore, WIDTH)(p, 0, weight[r]);
        }
        if (!IN_PLACE(VALUE_DIM)) {
            for (int t = 0; t < count; t++) {
                load_row(tile + t * V_VECTORS, v, v_row + t * v_at.z, VALUE_DIM);
            }
        }
        for (int r = 0; r < rows; r++) {
            int n = 0;
            for (; n + REGISTERS <= V_VECTORS; n += REGISTERS) {
                add_values(result[r], weight[r], tile, v, v_row, v_at.z, count, whole, n, REGISTERS);
            }
            if (V_VECTORS % REGISTERS) {
                add_values(result[r], weight[r], tile, v, v_row, v_at.z, count, whole, n, V_VECTORS % REGISTERS);
            }
        }
    }

    for (int r = 0; r < rows; r++) {
        const int i = row[r].i, h = row[r].h;
        const float normal = row[r].sum == 0.0f ? 0.0f : 1.0f / row[r].sum;
        const float log_sum = row[r].sum == 0.0f ? -INFINITY : row[r].max * LN2 + log(row[r].sum);
        const long part = parts_at.x + ((((long)split * get_num_groups(2) + b) * n_q + i) * heads + h) * (VALUE_DIM + 1);
        float values[V_VECTORS * WIDTH];
        for (int n = 0; n < V_VECTORS; n++) {
            JOIN(vstore, WIDTH)(result[r][n] * normal, n, values);
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
