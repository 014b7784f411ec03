/* Attention in tiles where the work-items that share a query row are lanes of one sub-group: row
 * maxima, sums and P go from lane to lane, so local memory holds queries, keys and values alone,
 * and a tile needs two barriers per chunk of keys and two per step of values.
 *
 * Otherwise as attention/tiled: S = scale * Q K^T, P = exp(S - rowmax), O = factor * O + P V.
 *
 * Launch: local {TILE_K / 4 * TILE_Q / ROWS, 1, 1}, one group per {query tile, head, batch}.
 * Local:  CHUNK * (TILE_Q + TILE_K) words, or more for few keys of many columns.
 * Memory: ROWS * (4 + VALUE_DIM * 4 / TILE_K) floats of S and O per work-item, in registers.
 * Params: those of lanes.h (SUBGROUP a multiple of TILE_K / 4) and of tiles.h. */
#define UNROLLED 1
#include "base.h"
#include "lanes.h"
#include "online_softmax.h"
#include "attention/arguments.h"
#include "attention/score.h"
#include "attention/units.h"
#include "attention/tiles.h"

INLINE float part_at(const float4 v, const int t, const int lane)
{
    return lane_at(t == 0 ? v.s0 : t == 1 ? v.s1 : t == 2 ? v.s2 : v.s3, lane);
}

/* Values j0 .. of the tile; the weights of key 4 * n + t are in lane first + n. */
INLINE void add_values(struct result sum[ROWS], const float4 weights[ROWS], __local const uint4 *values, const int j0,
                       const int x, const int first)
{
    for (int j = 0; j < VALUES; j += 4) {
        const int lane = first + (j0 + j) / 4;
        EACH
        for (int t = 0; t < 4; t++) {
            float weight[ROWS];
            EACH
            for (int r = 0; r < ROWS; r++) {
                weight[r] = part_at(weights[r], t, lane);
            }
            add_value(sum, weight, values + (j + t) * VALUE_QUADS, x);
        }
    }
}

INLINE void add_seen_values(struct result sum[ROWS], const float4 weights[ROWS], __local const uint4 *values,
                            const int j0, const int x, const int first)
{
    EACH
    for (int r = 0; r < ROWS; r++) {
        const float4 w = weights[r];
        ROLLED
        for (int j = 0; j < VALUES; j += 4) {
            ROLLED
            for (int t = 0; t < 4; t++) {
                add_if_seen(&sum[r], part_at(w, t, first + (j0 + j) / 4), values + (j + t) * VALUE_QUADS, x);
            }
        }
    }
}

__kernel SUBGROUPS __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void attention_subgroup(ATTENTION_ARGUMENTS)
{
    __local uint4 tile[TILE_QUADS]; /* queries and keys, then values */
    __local uint4 *key_tile = tile + QUERY_QUADS, *value_tile = tile + VALUES_AT;

    const int lane = lane_id(), item = team_id() * SUBGROUP + lane, x = item % LANES, y = item / LANES;
    const int h = get_group_id(1), b = get_group_id(2), g = h / GROUP;
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head head = HEAD_OF(&a, b, h);
    const int i0 = get_group_id(0) * TILE_Q, i1 = min(i0 + TILE_Q, head.n_q) - 1, i = i0 + y * ROWS;
    const struct span keys = visible_span(&a, &head, i0, i1);
    const struct source query_rows = {{q, q_at, 0, q_at}, 0, b, h, head.q0, 0, head.n_q},
                        key_rows = {KEY_ROWS, &head.keys, b, g, 0, head.first, head.used},
                        value_rows = {VALUE_ROWS, &head.keys, b, g, 0, head.first, head.used};

    struct result sum[ROWS];
    struct softmax softmax[ROWS]; /* max is the row's, sum only this lane's share */
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
            float factor;
            score[r] = take_scores(&softmax[r], score[r], lanes_max(largest(score[r]), 1, LANES), &factor);
            EACH
            for (int n = 0; n < QUADS; n++) {
                sum[r].quad[n] *= factor;
            }
        }
        for (int j = 0; j < TILE_K; j += VALUES) {
            load_values(value_tile, &value_rows, j0 + j, item);
            barrier(CLK_LOCAL_MEM_FENCE);
            if (whole || !any_lane(!all_finite(value_tile, x))) {
                add_values(sum, score, value_tile, j, x, lane - x);
            } else {
                add_seen_values(sum, score, value_tile, j, x, lane - x);
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
    }

    ROLLED
    for (int r = 0; r < ROWS; r++) {
        softmax[0].sum = lanes_sum(softmax[0].sum, 1, LANES);
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
