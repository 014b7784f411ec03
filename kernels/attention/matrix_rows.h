/* What attention/matrix.h does with one row, a query of one head: its scores, their weights, the end.
 *
 * A lane has the results slot_of(e) of ROWS rows (matrix/engine.h).  Scores are in units of log2. */
#define EXACT (OUT_TYPE == F32 || (TYPE == BF16 && OUT_TYPE == F16)) /* finer than TYPE */
#define MOST_WEIGHT 0x1p14f /* of a lane's weights together; f16 ends at 2^16 */
/* By so much the highest score exceeds its reference: small weights are then normal numbers of f16, and
 * MI200's instructions take others for 0. */
#define HEADROOM (TYPE == F16 ? 8.0f : 0.0f)
#define LN2 0.69314718055994530942f

/* The query and head of a row. */
struct row {
    int i, h;
};

static inline struct row row_at(const int r, const int h0)
{
    const struct row row = {r / PACK, h0 + r % PACK};
    return row;
}

/* The head of a row: what of struct head depends on the query head. */
static inline struct head own_head(const struct score_arguments *a, const struct head *shared, const int b,
                                   const int h, __global const float *alibi, const long4 alibi_at)
{
    struct head head = *shared;
    head.slope = WITH_ALIBI && alibi ? -alibi[place(alibi_at, b, 0, h)] : 0.0f;
    head.bias = place(a->bias_at, b, 0, h);
    head.mask = place(a->mask_at, b, 0, h);
    return head;
}

/* A score in units of log2; finite stays finite, NaN NaN. */
static inline float in_log2(const float score)
{
    const float x = score * LOG2E;
    return isinf(x) && !isinf(score) ? copysign(FLT_MAX, x) : x;
}

/* The score of any key: softcap, bias, ALiBi, and -inf for what the row does not see. */
static inline float any_score(const struct score_arguments *a, const struct head *head, const int i, const int j,
                              const float score)
{
    return sees(a, head, i, j) ? in_log2(finish_score(a, head, i, j, score)) : -INFINITY;
}

/* 2^(score - reference), also where both are -inf. */
static inline float weight_of(const float score, const float reference)
{
    return fast_exp2(score - (reference == -INFINITY ? 0.0f : reference));
}

/* Weights of a tile's scores, 2^(score * unit + shift), rounded; with their rounding errors as rests
 * if those are asked for, and their sums over this lane's keys. */
INLINE void weigh(const struct engine *engine, block score[BLOCKS][KEY_BLOCKS], const float unit,
                  float shift[BLOCKS][ROWS], float sums[BLOCKS][ROWS], row_part weights[BLOCKS][KEY_BLOCKS],
                  row_part rests[BLOCKS][KEY_BLOCKS])
{
    UNROLL
    for (int n = 0; n < BLOCKS; n++) {
        float shifts[SCORES];
        UNROLL
        for (int e = 0; e < SCORES; e++) {
            shifts[e] = shift[n][slot_of(e)];
        }
        block sum;
        UNROLL
        for (int t = 0; t < KEY_BLOCKS; t++) {
            const block exponent = times_plus(score[n][t], unit, block_of(shifts));
            float weight[SCORES], rest[SCORES];
            UNROLL
            for (int e = 0; e < SCORES; e++) {
                weight[e] = fast_exp2(SCORE(exponent, e));
            }
            sum = t ? times_plus(block_of(weight), 1.0f, sum) : block_of(weight);
            weights[n][t] = weights_part(engine, block_of(weight));
            if (EXACT) {
                UNROLL
                for (int e = 0; e < SCORES; e++) {
                    rest[e] = weight[e] - part_value(part_bits(weight[e]));
                }
                rests[n][t] = weights_part(engine, block_of(rest));
            }
        }
        UNROLL
        for (int s = 0; s < ROWS; s++) {
            sums[n][s] = 0.0f;
            UNROLL
            for (int e = 0; e < SCORES; e++) {
                sums[n][s] += slot_of(e) == s ? SCORE(sum, e) : 0.0f;
            }
        }
    }
}

/* 16 columns of a row's result once more, without the values of keys that it does not see. */
INLINE void careful_columns(const int lane, const int slot, const int column0, const struct score_arguments *a,
                            const struct head *head, const int i, const struct rows_of *all_keys,
                            const struct rows_of *all_values, const int g, __global const void *q, const long query,
                            const float scale, const float reference, __global void *out, const long to,
                            const float normal)
{
    const struct span keys = visible_span(a, head, i, i);
    float sum[SCORES];
    UNROLL
    for (int e = 0; e < SCORES; e++) {
        sum[e] = 0.0f;
    }
    for (int j = keys.first; j < keys.end; j++) {
        const struct row_place key = row_place(all_keys, &head->keys, j, g);
        const struct row_place value = row_place(all_values, &head->keys, j, g);
        float score = 0.0f;
        for (int c = 0; c < HEAD_DIM; c++) {
            score = fma(load(TYPE, q, query + c), load_of(all_keys, key, c), score);
        }
        score = any_score(a, head, i, j, scale * score);
        if (score == -INFINITY) {
            continue;
        }
        const float weight = weight_of(score, reference);
        UNROLL
        for (int e = 0; e < SCORES; e++) {
            const int column = column0 + inner_of(lane, e);
            if (slot_of(e) == slot && column < VALUE_DIM) {
                sum[e] = fma(weight, load_of(all_values, value, column), sum[e]);
            }
        }
    }
    UNROLL
    for (int e = 0; e < SCORES; e++) {
        const int column = column0 + inner_of(lane, e);
        if (slot_of(e) == slot && column < VALUE_DIM) {
            store(OUT_TYPE, out, to + column, sum[e] * normal);
        }
    }
}

/* Not store(): a loop that is too long is not unrolled, and results must stay in registers. */
static inline void store_result(__global void *out, const long at, const float result)
{
    if (OUT_TYPE == BF16) {
        ((__global ushort *)out)[at] = TO_BF16(result);
    } else {
        store(OUT_TYPE, out, at, result);
    }
}
