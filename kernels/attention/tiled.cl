/* Attention in tiles through local memory (Dao et al. 2022), for any GPU.
 *
 * A work-group owns TILE_Q queries of one head and walks the keys TILE_K at a time:
 *   S = scale * Q K^T        each work-item ROWS queries x 4 keys, head_dim in chunks
 *   P = exp(S - rowmax)      row maxima and P meet in local memory
 *   O = factor * O + P V     each work-item the same queries x its value columns
 *
 * Launch: local {TILE_K / 4 * TILE_Q / ROWS, 1, 1}, one group per {query tile, head, batch}.
 * Local:  CHUNK * (TILE_Q + TILE_K) + TILE_Q * TILE_K words, or more for few keys of many columns.
 * Memory: ROWS * (4 + VALUE_DIM * 4 / TILE_K) floats of S and O per work-item, in registers.
 * Params: those of tiles.h. */
#include "base.h"
#include "online_softmax.h"
#include "attention/arguments.h"
#include "attention/score.h"
#include "attention/units.h"
#include "attention/tiles.h"

/* P as [key][query]; the quads of a key are permuted by key / 4, which is x where it is written. */
static inline int weight_quad(const int j, const int n)
{
    return j * (TILE_Q / 4) + (n ^ (j / 4 & (TILE_Q / 4 - 1)));
}

INLINE void store_weights(__local float4 *weights, const float4 weight[ROWS], const int x, const int y)
{
    EACH
    for (int n = 0; n < ROWS / 4; n++) {
        const float4 a = weight[4 * n], b = weight[4 * n + 1], c = weight[4 * n + 2], d = weight[4 * n + 3];
        const int at = weight_quad(x * 4, y * (ROWS / 4) + n);
        weights[at] = (float4)(a.s0, b.s0, c.s0, d.s0);
        weights[at + TILE_Q / 4] = (float4)(a.s1, b.s1, c.s1, d.s1);
        weights[at + TILE_Q / 2] = (float4)(a.s2, b.s2, c.s2, d.s2);
        weights[at + TILE_Q / 4 * 3] = (float4)(a.s3, b.s3, c.s3, d.s3);
    }
}

/* Values j0 .. of the tile. */
INLINE void add_values(struct result sum[ROWS], __local const float4 *weights, __local const uint4 *values,
                       const int j0, const int x, const int y)
{
    for (int j = 0; j < VALUES; j += 4) {
        EACH
        for (int t = 0; t < 4; t++) {
            float weight[ROWS];
            EACH
            for (int n = 0; n < ROWS / 4; n++) {
                vstore4(weights[weight_quad(j0 + j, y * (ROWS / 4) + n) + t * (TILE_Q / 4)], n, weight);
            }
            add_value(sum, weight, values + (j + t) * VALUE_QUADS, x);
        }
    }
}

INLINE void add_seen_values(struct result sum[ROWS], __local const float4 *weights, __local const uint4 *values,
                            const int j0, const int x, const int y)
{
    EACH
    for (int r = 0; r < ROWS; r++) {
        ROLLED
        for (int j = 0; j < VALUES; j++) {
            __local const float4 *quad = weights + weight_quad(j0 + j, y * (ROWS / 4) + r / 4);
            add_if_seen(&sum[r], ((__local const float *)quad)[r % 4], values + j * VALUE_QUADS, x);
        }
    }
}

/* Of each row its largest score, or the sum of its shares: of those that LANES work-items have left,
 * by one of them.  Shares of a row are SHARES apart, so that neighbouring rows lie in other banks. */
#define SHARES (LANES + 4)

INLINE void join_shares(__local float *shares, __local float *joined, const int item, const bool largest_one)
{
    for (int row = item; row < TILE_Q; row += ITEMS) {
        float4 all = vload4(0, shares + row * SHARES);
        for (int n = 1; n < LANES / 4; n++) {
            const float4 more = vload4(n, shares + row * SHARES);
            all = largest_one ? (more > all ? more : all) : all + more;
        }
        joined[row] = largest_one ? largest(all) : (all.s0 + all.s1) + (all.s2 + all.s3);
    }
}

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void attention_tiled(ATTENTION_ARGUMENTS)
{
    __local uint4 tile[TILE_QUADS];                 /* queries and keys, then values */
    __local float4 weights_tile[TILE_K * TILE_Q / 4]; /* before P: shares and what is joined of them */
    __local uint4 *key_tile = tile + QUERY_QUADS, *value_tile = tile + VALUES_AT;

    const int item = get_local_id(0), x = item % LANES, y = item / LANES;
    __local float *shares = (__local float *)weights_tile, *share = shares + y * ROWS * SHARES + x;
    __local float *joined = shares + TILE_Q * SHARES, *row = joined + y * ROWS;
    const int h = get_group_id(1), b = get_group_id(2), g = h / GROUP;
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head head = HEAD_OF(&a, b, h);
    const int i0 = get_group_id(0) * TILE_Q, i1 = min(i0 + TILE_Q, head.n_q) - 1, i = i0 + y * ROWS;
    const struct span keys = visible_span(&a, &head, i0, i1);
    const struct source query_rows = {{q, q_at, 0, q_at}, 0, b, h, head.q0, 0, head.n_q},
                        key_rows = {KEY_ROWS, &head.keys, b, g, 0, head.first, head.used},
                        value_rows = {VALUE_ROWS, &head.keys, b, g, 0, head.first, head.used};

    struct result sum[ROWS];
    struct softmax softmax[ROWS]; /* max is the row's, sum only this work-item's share */
    EACH
    for (int r = 0; r < ROWS; r++) {
        EACH
        for (int n = 0; n < QUADS; n++) {
            sum[r].quad[n] = 0.0f;
        }
        softmax[r] = softmax_begin(sinks ? sinks[place(sinks_at, 0, 0, h)] : -INFINITY);
        softmax[r].sum = x == 0 ? softmax[r].sum : 0.0f;
    }
    if (QUERIES_STAY) {
        load_transposed(tile, TILE_Q, &query_rows, TYPE, i0, 0, item);
    }

    for (int j0 = keys.first; j0 < keys.end; j0 += TILE_K) {
        const bool whole = wholly_visible(&a, &head, i0, i1, j0, j0 + TILE_K);
        float4 score[ROWS];
        EACH
        for (int r = 0; r < ROWS; r++) {
            score[r] = 0.0f;
        }
        for (int c0 = 0; c0 < HEAD_DIM; c0 += STEP * PACK) {
            if (!QUERIES_STAY) {
                load_transposed(tile, TILE_Q, &query_rows, TYPE, i0, c0, item);
            }
            load_transposed(key_tile, TILE_K, &key_rows, KV_TYPE, j0, c0, item);
            barrier(CLK_LOCAL_MEM_FENCE);
            multiply_keys(score, tile, key_tile, x, y);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        finish_scores(score, &a, &head, i, j0 + x * 4, whole, scale);

        EACH
        for (int r = 0; r < ROWS; r++) {
            share[r * SHARES] = largest(score[r]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        join_shares(shares, joined, item, true);
        barrier(CLK_LOCAL_MEM_FENCE);
        EACH
        for (int r = 0; r < ROWS; r++) {
            float factor;
            score[r] = take_scores(&softmax[r], score[r], row[r], &factor);
            EACH
            for (int n = 0; n < QUADS; n++) {
                sum[r].quad[n] *= factor;
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        store_weights(weights_tile, score, x, y);

        for (int j = 0; j < TILE_K; j += VALUES) {
            load_values(value_tile, &value_rows, j0 + j, item);
            barrier(CLK_LOCAL_MEM_FENCE);
            if (whole || all_finite(value_tile, x)) {
                add_values(sum, weights_tile, value_tile, j, x, y);
            } else {
                add_seen_values(sum, weights_tile, value_tile, j, x, y);
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
    }

    EACH
    for (int r = 0; r < ROWS; r++) {
        share[r * SHARES] = softmax[r].sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    join_shares(shares, joined, item, false);
    barrier(CLK_LOCAL_MEM_FENCE);
    ROLLED
    for (int r = 0; r < ROWS; r++) {
        softmax[0].sum = row[r];
        if (i + r < head.n_q) {
            store_result(out, place(out_at, b, head.q0 + i + r, h), &sum[0], softmax_scale(softmax[0]), x);
            if (lse && x == 0) {
                lse[place(lse_at, b, head.q0 + i + r, h)] = softmax_lse(softmax[0]);
            }
        }
        TURN(sum)
        TURN(softmax)
    }
}
