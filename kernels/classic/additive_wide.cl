/* Additive attention for CPU devices: the columns of a head in the lanes.
 *
 * Of s[j] = w . tanh(q[i] + k[j]) nearly all work is tanh, of each query, key and column.  But
 *   tanh(q + k) = 1 - 2 / (1 + e^2q e^2k),
 * and e^2q and e^2k belong to one row each: taken once per row, they leave a multiply-add, a
 * division and an addition for each tanh.  As long as |k| <= REACH, e^2q may overflow or vanish:
 * tanh is then 1 or -1 to all digits.  Beyond that one factor could overflow while the other
 * vanishes, so tanh itself is computed: slow, and rare, as nothing is learnt out there.
 *
 * One work-item owns ROWS queries of one head and walks the keys WIDTH at a time.  For each query
 * it has a vector of partial sums per key; added up across lanes all at once they become a vector
 * of scores, one key per lane, from which masks, softmax and the weights go on.
 * A weight of -0 marks a key that its query does not see: its value is left out, NaN or not.
 *
 * Launch: global {n_q / ROWS rounded up, query_heads, batch}, local {1, 1, 1}.
 * Memory: (ROWS + WIDTH) * (HEAD_DIM + VALUE_DIM) floats, no local memory.
 * Params: TYPE (of v and w), Q_TYPE, K_TYPE, OUT_TYPE, HEAD_DIM, VALUE_DIM, GROUP, STAGE (of
 *         weights), WIDTH, ROWS, and those of score.h. */
#include "base.h"
#include "online_softmax.h"
#include "wide.h"
#include "attention/arguments.h"
#include "attention/score.h"
#include "classic/weights.h"

#define VECTORS(columns) (((columns) + WIDTH - 1) / WIDTH)
#define QK_VECTORS VECTORS(HEAD_DIM)
#define V_VECTORS VECTORS(VALUE_DIM)
#define REACH 35.0f /* e^2q overflows at q = 44.4, and tanh(44.4 - 35) is 1 - 1.4e-8 */
#define REGISTERS 4 /* vectors of a result row that are summed at a time */

/* One row of a tensor as whole vectors; the columns behind its end are 0. */
static inline void load_row(vfloat *to, const int type, __global const void *values, const long row,
                            const int columns)
{
    int c = 0;
    for (; c + WIDTH <= columns; c += WIDTH) {
        to[c / WIDTH] = load_wide(type, values, row + c);
    }
    if (columns % WIDTH) {
        float tail[WIDTH];
        for (int n = 0; n < WIDTH; n++) {
            tail[n] = c + n < columns ? load(type, values, row + c + n) : 0.0f;
        }
        to[c / WIDTH] = *(vfloat_at *)tail;
    }
}

/* ---- Scores ------------------------------------------------------------------ */

/* e^2x of a row in place. */
static inline void raise(vfloat row[QK_VECTORS])
{
    for (int n = 0; n < QK_VECTORS; n++) {
        row[n] = exp(2.0f * row[n]);
    }
}

/* Whether a number of a row is beyond REACH, which NaN is not. */
static inline bool is_far(const vfloat row[QK_VECTORS])
{
    vint beyond = 0;
    for (int n = 0; n < QK_VECTORS; n++) {
        beyond |= fabs(row[n]) > REACH;
    }
    return any_lane(beyond);
}

/* w . tanh(query + key) of WIDTH keys, one per lane, from what raise made; total is the sum of w. */
static inline vfloat score_keys(const vfloat query[QK_VECTORS], const vfloat key[WIDTH][QK_VECTORS],
                                const vfloat w[QK_VECTORS], const float total)
{
    vfloat sum[WIDTH];
    UNROLL
    for (int t = 0; t < WIDTH; t++) {
        sum[t] = 0.0f;
    }
    for (int n = 0; n < QK_VECTORS; n++) {
        UNROLL
        for (int t = 0; t < WIDTH; t++) {
            sum[t] += w[n] / fma(query[n], key[t][n], (vfloat)(1.0f));
        }
    }
    return total - 2.0f * sum_each(sum);
}

/* The same from the numbers themselves, without bounds: slow, rare. */
static inline vfloat score_far_keys(__global const void *q, const long q_row, __global const void *k,
                                    const long k_row, const long k_step, const int count,
                                    const vfloat w[QK_VECTORS])
{
    vfloat sum[WIDTH], query[QK_VECTORS], key[QK_VECTORS];
    load_row(query, Q_TYPE, q, q_row, HEAD_DIM);
    for (int t = 0; t < WIDTH; t++) {
        load_row(key, K_TYPE, k, k_row + min(t, count - 1) * k_step, HEAD_DIM);
        sum[t] = 0.0f;
        for (int n = 0; n < QK_VECTORS; n++) {
            sum[t] = fma(w[n], tanh(query[n] + key[n]), sum[t]);
        }
    }
    return sum_each(sum);
}

/* Bias, masks and the like of keys j0 .. j0 + count - 1; -inf where query i does not see one. */
static inline vfloat finish_scores(const vfloat scores, const struct score_arguments *a,
                                   const struct head *head, const int i, const int j0, const int count)
{
    float score[WIDTH];
    *(vfloat_at *)score = scores;
    for (int t = 0; t < WIDTH; t++) {
        score[t] = t < count && sees(a, head, i, j0 + t) ? finish_score(a, head, i, j0 + t, score[t])
                                                         : -INFINITY;
    }
    return *(vfloat_at *)score;
}

/* ---- Softmax and values -------------------------------------------------------- */

/* Takes WIDTH scores at once: their weights, and in *factor by what older sums shrink. */
static inline vfloat softmax_take_wide(struct softmax *state, const vfloat score, float *factor)
{
    const float top = largest_lane(score), max = top > state->max ? top : state->max;
    const vfloat p = exp2_wide((score - (max == -INFINITY ? 0.0f : max)) * LOG2E);
    const vfloat weight = score == -INFINITY ? (vfloat)(-0.0f) : p;
    *factor = max == state->max ? 1.0f : softmax_weight(state->max, max);
    state->sum = state->sum * *factor + sum_lanes(weight);
    state->max = max;
    return weight;
}

/* result[first .. first + vectors) = factor * itself + the weighted sum of values. */
static inline void add_values(vfloat *result, const float weight[WIDTH], const vfloat value[WIDTH][V_VECTORS],
                              const float factor, const int first, const int vectors)
{
    vfloat part[REGISTERS];
    UNROLL
    for (int n = 0; n < vectors; n++) {
        part[n] = result[first + n] * factor;
    }
    for (int t = 0; t < WIDTH; t++) {
        if (as_int(weight[t]) < 0) {
            continue;
        }
        UNROLL
        for (int n = 0; n < vectors; n++) {
            part[n] = fma(value[t][first + n], (vfloat)(weight[t]), part[n]);
        }
    }
    UNROLL
    for (int n = 0; n < vectors; n++) {
        result[first + n] = part[n];
    }
}

/* A row's scores, of the keys that were walked, become weights of all. */
static inline void finish_weights(__global float *row, const int n_k, const struct span keys, const float log_sum)
{
    int j = 0;
    while (j < n_k) {
        if (STAGE == STAGE_SOFTMAX && j >= keys.first && j + WIDTH <= keys.end) {
            const vfloat score = *(__global const vfloat_at *)(row + j);
            const vfloat p = exp2_wide((score - log_sum) * LOG2E);
            *(__global vfloat_at *)(row + j) = score == -INFINITY ? (vfloat)(0.0f) : p;
            j += WIDTH;
        } else {
            row[j] = weight_of(j < keys.first || j >= keys.end ? -INFINITY : row[j], log_sum);
            j++;
        }
    }
}

/* ---- The kernel ---------------------------------------------------------------- */

__kernel __attribute__((vec_type_hint(vfloat))) __attribute__((reqd_work_group_size(1, 1, 1)))
void classic_additive_wide(ATTENTION_ARGUMENTS, __global const void *w, const long4 w_at)
{
    const int h = get_group_id(1), b = get_group_id(2), g = h / GROUP;
    const int i0 = get_group_id(0) * ROWS, i1 = min(i0 + ROWS, n_q) - 1;
    if (i0 >= n_q) {
        return;
    }
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head head = HEAD_OF(&a, b, h);
    const struct span keys = visible_span(&a, &head, i0, i1);
    const float sink = sinks ? sinks[place(sinks_at, 0, 0, h)] : -INFINITY;

    vfloat query[ROWS][QK_VECTORS], key[WIDTH][QK_VECTORS], w_row[QK_VECTORS];
    vfloat result[ROWS][V_VECTORS], value[WIDTH][V_VECTORS];
    struct softmax softmax[ROWS];
    float total = 0.0f;
    load_row(w_row, TYPE, w, place(w_at, 0, 0, h), HEAD_DIM);
    for (int c = 0; c < HEAD_DIM; c++) {
        total += load(TYPE, w, place(w_at, 0, 0, h) + c);
    }
    for (int r = 0; i0 + r <= i1; r++) {
        load_row(query[r], Q_TYPE, q, place(q_at, b, i0 + r, h), HEAD_DIM);
        raise(query[r]);
        softmax[r] = softmax_begin(sink);
        for (int n = 0; n < V_VECTORS; n++) {
            result[r][n] = 0.0f;
        }
    }

    for (int j0 = keys.first; j0 < keys.end; j0 += WIDTH) {
        const int count = min(WIDTH, keys.end - j0);
        const bool whole = count == WIDTH && wholly_visible(&a, &head, i0, i1, j0, j0 + WIDTH);
        bool far = false;
        for (int t = 0; t < WIDTH; t++) {
            const int j = j0 + min(t, count - 1);
            load_row(key[t], K_TYPE, k, place(k_at, b, j, g), HEAD_DIM);
            far |= is_far(key[t]);
            raise(key[t]);
            load_row(value[t], TYPE, v, place(v_at, b, j, g), VALUE_DIM);
        }
        for (int r = 0; i0 + r <= i1; r++) {
            vfloat score = far ? score_far_keys(q, place(q_at, b, i0 + r, h), k, place(k_at, b, j0, g), k_at.z,
                                                count, w_row)
                               : score_keys(query[r], key, w_row, total);
            score *= scale;
            if (!whole || SOFTCAP || WITH_ALIBI) {
                score = finish_scores(score, &a, &head, i0 + r, j0, count);
            }
            float weight[WIDTH], factor;
            if (weights) {
                *(vfloat_at *)weight = score;
                for (int t = 0; t < count; t++) {
                    weights[place(weights_at, b, i0 + r, h) + j0 + t] = weight[t];
                }
            }
            *(vfloat_at *)weight = softmax_take_wide(&softmax[r], score, &factor);
            int n = 0;
            for (; n + REGISTERS <= V_VECTORS; n += REGISTERS) {
                add_values(result[r], weight, value, factor, n, REGISTERS);
            }
            if (V_VECTORS % REGISTERS) {
                add_values(result[r], weight, value, factor, n, V_VECTORS % REGISTERS);
            }
        }
    }

    for (int r = 0; i0 + r <= i1; r++) {
        const float normal = softmax_scale(softmax[r]);
        const long row = place(out_at, b, i0 + r, h);
        int n = 0;
        for (; n < VALUE_DIM / WIDTH; n++) {
            store_wide(OUT_TYPE, out, row + n * WIDTH, result[r][n] * normal);
        }
        if (VALUE_DIM % WIDTH) {
            float tail[WIDTH];
            *(vfloat_at *)tail = result[r][n] * normal;
            for (int c = n * WIDTH; c < VALUE_DIM; c++) {
                store(OUT_TYPE, out, row + c, tail[c - n * WIDTH]);
            }
        }
        if (lse) {
            lse[place(lse_at, b, i0 + r, h)] = softmax_lse(softmax[r]);
        }
        if (weights) {
            finish_weights(weights + place(weights_at, b, i0 + r, h), n_k, keys, softmax_lse(softmax[r]));
        }
    }
}
