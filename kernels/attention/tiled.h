/* Attention in tiles through local memory (Dao et al. 2022): the walk of attention/tiled and
 * attention/subgroup, which differ in how the LANES work-items that share a row join what each has
 * of it.  A work-group owns TILE_Q queries of one head and takes the keys TILE_K at a time:
 *   S = scale * Q K^T        each work-item ROWS queries x 4 keys, head_dim in chunks
 *   P = exp(S - rowmax)      row maxima are joined, and P goes where it is multiplied
 *   O = factor * O + P V     each work-item the same queries x its value columns
 *
 * Launch: local {TILE_K / 4 * TILE_Q / ROWS, 1, 1}, one group per {query tile, head, batch}.
 * Memory: ROWS * (4 + VALUE_DIM * 4 / TILE_K) floats of S and O per work-item, in registers.
 *
 * Wants tiles.h, and of the kernel that includes it
 *   TILED_KERNEL, SUBGROUPS       its name, and an attribute or nothing
 *   BEGIN_JOIN                    declares a struct join, join, and local memory if it takes some;
 *                                 item, x and y in it are the work-item's, as tiles.h has them
 *   offer(join, r, share)         hands over what this work-item has of its row r
 *   meet(join, what)              all have offered: the LARGEST of these, or their SUM
 *   joined(join, r, share, what)  which is this for row r; share is what was offered
 *   keep_weights(join, weights)   P is complete: 4 keys of each row
 *   add_values(...)               O += P V, for VALUES values from key j of the tile on
 *   add_seen_values(...)          the same, without values that the row does not see
 *   in_step(join, that)           that, or if work-items must take the same way: that for all */
__kernel SUBGROUPS __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void TILED_KERNEL(ATTENTION_ARGUMENTS)
{
    __local uint4 tile[TILE_QUADS]; /* queries and keys, then values */
    __local uint4 *key_tile = tile + QUERY_QUADS, *value_tile = tile + VALUES_AT;
    BEGIN_JOIN

    const int item = join.item, x = join.x, y = join.y;
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
            offer(&join, r, largest(score[r]));
        }
        meet(&join, LARGEST);
        EACH
        for (int r = 0; r < ROWS; r++) {
            float factor;
            score[r] = take_scores(&softmax[r], score[r], joined(&join, r, largest(score[r]), LARGEST), &factor);
            EACH
            for (int n = 0; n < QUADS; n++) {
                sum[r].quad[n] *= factor;
            }
        }
        keep_weights(&join, score);

        for (int j = 0; j < TILE_K; j += VALUES) {
            load_values(value_tile, &value_rows, j0 + j, item);
            barrier(CLK_LOCAL_MEM_FENCE);
            if (whole || in_step(&join, all_finite(value_tile, x))) {
                add_values(&join, sum, score, value_tile, j);
            } else {
                add_seen_values(&join, sum, score, value_tile, j);
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
    }

    EACH
    for (int r = 0; r < ROWS; r++) {
        offer(&join, r, softmax[r].sum);
    }
    meet(&join, SUM);
    ROLLED
    for (int r = 0; r < ROWS; r++) {
        softmax[0].sum = joined(&join, r, softmax[0].sum, SUM);
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
