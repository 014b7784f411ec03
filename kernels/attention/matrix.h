/* Attention on matrix engines, over the fragment layer of matrix/engine.h (Dao 2023).
 *
 * A work-group owns TILE_Q rows of one kv head, a row being a query of one of PACK query heads: row
 * r is query r / PACK of head r % PACK, so that heads which share keys share their tiles.  Each
 * sub-group (team) has BLOCKS x QUERIES of the rows and keeps their queries and results in registers:
 *   S = K Q^T                  K through local memory, TILE_K keys at a time
 *   P = 2^(S - reference)      in registers; rounded to TYPE it is an operand of
 *   O = factor * O + P V       V through local memory
 * With STAGES tiles in local memory, whole tiles are fetched STAGES - 1 ahead.  With one, values are
 * fetched while S is computed and the next keys while O is, through registers.
 *
 * Weights are relative to a row's reference, which is a maximum of its scores, less HEADROOM, and lags
 * behind: a tile's scores may exceed it as long as the weights fit their type, so that most tiles need
 * no maximum and no factor (Dao's lazy rescaling, FlashAttention 4).
 *
 * Scores are in units of log2.  A result finer than TYPE takes weights as a sum of two rounded parts.
 * A weight of 0 times a value that is not finite is NaN: where keys may be hidden, rows whose result
 * is not finite are computed again at the end, one by one and without the keys they do not see.
 *
 * Launch: local {SUBGROUP * TEAMS, 1, 1}, one group per {row tile, kv head, batch}.
 * Local:  STAGES * TILE_K keys and values, or TEAMS * QUERIES queries if these are more.
 * Memory: VALUE_DIM * QUERIES * BLOCKS / SUBGROUP floats of O per work-item, and queries and scores.
 * Params: TYPE (F16 or BF16), OUT_TYPE, HEAD_DIM, VALUE_DIM, GROUP, PACK, TEAMS, BLOCKS, TILE_K,
 *         STAGES, and those of score.h and matrix/engine.h. */
#include "base.h"
#include "attention/arguments.h"
#include "attention/score.h"

#define HEAD_STEPS ((HEAD_DIM + 15) / 16)
#define VALUE_STEPS ((VALUE_DIM + 15) / 16)
#define KEY_BLOCKS (TILE_K / 16)
#define PAIRS (TEAMS % 2 == 0)
#include "matrix/engine.h"

#define ITEMS (SUBGROUP * TEAMS)
#include "matrix/chunk.h"

#define TEAM_ROWS (BLOCKS * QUERIES)
#define TOGETHER_ROWS (TEAM_ROWS * (1 + SPLIT)) /* of teams that multiply together: they need the same tiles */
#define TILE_Q (TEAMS * TEAM_ROWS)
#define QUERY_PITCH (HEAD_STEPS * 16 + 8)
#define QUERY_TILE (TEAMS * QUERIES * QUERY_PITCH)
#define STAGE (KEY_TILE + VALUE_TILE)
#define TILES (STAGES * STAGE)
#define LOCAL_HALVES                                                                               \
    (QUERIES_IN_LOCAL ? TILES + BLOCKS * QUERY_TILE : TILES > QUERY_TILE ? TILES : QUERY_TILE)
#if QUERIES_IN_LOCAL
#define KEPT(n, s) (kept + (n) * QUERY_TILE + (s) * 16 * QUERIES)
#define KEEP_QUERIES(n)                                                                            \
    do {                                                                                           \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
        for (int s = QUERIES_BESIDE; s < HEAD_STEPS; s++) {                                        \
            keep_row_part(&engine, KEPT(n, s), query[n][s]);                                       \
        }                                                                                          \
    } while (0)
#define QUERY_PART(n, s) ((s) < QUERIES_BESIDE ? query[n][s] : kept_row_part(&engine, KEPT(n, s)))
#else
#define KEEP_QUERIES(n)
#define QUERY_PART(n, s) query[n][s]
#endif
#define HIDES (CAUSAL || WINDOW || WITH_MASK || WITH_BIAS)

#include "attention/matrix_tiles.h"
#include "attention/matrix_rows.h"

/* Starts copying the keys and values of a tile; one without keys is counted, too. */
#define FETCH_TILE(j, stage)                                                                                     \
    do {                                                                                                         \
        if ((j) < keys.end) {                                                                                    \
            fetch_keys(&fetch, tile + (stage) * STAGE, &all_keys, &head.keys, j, head.used, g, keys_aligned);    \
            fetch_values(&fetch, tile + (stage) * STAGE + KEY_TILE, &all_values, &head.keys, j, head.used, g,    \
                         values_aligned);                                                                        \
        }                                                                                                        \
        end_copies();                                                                                            \
    } while (0)

__kernel SUBGROUPS OCCUPANCY __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void MATRIX_KERNEL(ATTENTION_ARGUMENTS)
{
    __local ushort tile[LOCAL_HALVES] __attribute__((aligned(16)));
    __local float exchange[TEAMS * EXCHANGE];

    const int team = team_id(), lane = lane_id();
    const struct engine engine = {lane, exchange + team * EXCHANGE, team % 2};
    const int h0 = get_group_id(1) * PACK, b = get_group_id(2), g = h0 / GROUP;
    const struct score_arguments a = SCORE_ARGUMENTS;
    const struct head head = HEAD_OF(&a, b, h0);
    const struct rows_of all_keys = KEY_ROWS, all_values = VALUE_ROWS;
    const bool keys_aligned = rows_aligned(k_at, HEAD_DIM), values_aligned = rows_aligned(v_at, VALUE_DIM);
    const int rows = head.n_q * PACK, r0 = get_group_id(0) * TILE_Q;
    if (r0 >= rows) {
        return;
    }
    const int team0 = r0 + team * TEAM_ROWS, together0 = r0 + team * TEAM_ROWS / TOGETHER_ROWS * TOGETHER_ROWS;
    const int i0 = min(together0, rows - 1) / PACK, i1 = (min(together0 + TOGETHER_ROWS, rows) - 1) / PACK;
    const struct span keys = visible_span(&a, &head, r0 / PACK, (min(r0 + TILE_Q, rows) - 1) / PACK);
    const struct span own = visible_span(&a, &head, i0, i1);

    row_part query[BLOCKS][HEAD_STEPS];
    __local ushort *const kept = tile + TILES + team * QUERIES * QUERY_PITCH; /* queries, if they stay there */
    UNROLL
    for (int n = 0; n < BLOCKS; n++) {
        __local ushort *const block_tile = tile + QUERIES_IN_LOCAL * (TILES + n * QUERY_TILE);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int m = get_local_id(0); m < TEAMS * QUERIES * KEY_CHUNKS; m += ITEMS) {
            const int t = m / KEY_CHUNKS, c = m % KEY_CHUNKS * 8;
            const int r = r0 + t / QUERIES * TEAM_ROWS + n * QUERIES + t % QUERIES;
            const struct row row = row_at(min(r, rows - 1), h0);
            *(__local uint4 *)(block_tile + t * QUERY_PITCH + c) =
                load_chunk(q, place(q_at, b, head.q0 + row.i, row.h), c, HEAD_DIM, rows_aligned(q_at, HEAD_DIM));
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        UNROLL
        for (int s = 0; s < HEAD_STEPS; s++) {
            query[n][s] = load_row_part(&engine, block_tile + team * QUERIES * QUERY_PITCH + s * 16, QUERY_PITCH);
        }
        KEEP_QUERIES(n);
    }

    block sum[BLOCKS][VALUE_STEPS];
    float reference[BLOCKS][ROWS], total[BLOCKS][ROWS]; /* total: of this lane's keys alone */
    UNROLL
    for (int n = 0; n < BLOCKS; n++) {
        UNROLL
        for (int s = 0; s < VALUE_STEPS; s++) {
            sum[n][s] = no_scores();
        }
        UNROLL
        for (int s = 0; s < ROWS; s++) {
            const struct row row = row_at(team0 + n * QUERIES + row_of(lane, s), h0);
            reference[n][s] = sinks ? in_log2(sinks[place(sinks_at, 0, 0, row.h)]) - HEADROOM : -INFINITY;
            total[n][s] = reference[n][s] == -INFINITY || !leads_row(lane) ? 0.0f : fast_exp2(HEADROOM);
        }
    }

    struct fetch fetch;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (STAGES == 1 && keys.first < keys.end) {
        fetch_keys(&fetch, tile, &all_keys, &head.keys, keys.first, head.used, g, keys_aligned);
    }
    for (int n = 0; n < STAGES - 1; n++) {
        FETCH_TILE(keys.first + n * TILE_K, n);
    }
    int stage = 0;
    for (int j0 = keys.first; j0 < keys.end; j0 += TILE_K) {
        const bool needed = j0 < own.end && j0 + TILE_K > own.first;
        const bool whole = wholly_visible(&a, &head, i0, i1, j0, j0 + TILE_K);
        __local ushort *const key_tile = tile + stage * STAGE, *const value_tile = key_tile + KEY_TILE;
        if (STAGES == 1) {
            place_keys(&fetch, key_tile);
            barrier(CLK_LOCAL_MEM_FENCE);
            fetch_values(&fetch, value_tile, &all_values, &head.keys, j0, head.used, g, values_aligned);
        } else {
            wait_copies();
            barrier(CLK_LOCAL_MEM_FENCE);
            FETCH_TILE(j0 + (STAGES - 1) * TILE_K, stage == 0 ? STAGES - 1 : stage - 1);
            stage = stage == STAGES - 1 ? 0 : stage + 1;
        }

        block score[BLOCKS][KEY_BLOCKS];
        row_part weights[BLOCKS][KEY_BLOCKS], rests[BLOCKS][KEY_BLOCKS];
        if (needed) {
            UNROLL
            for (int n = 0; n < BLOCKS; n++) {
                UNROLL
                for (int t = 0; t < KEY_BLOCKS; t++) {
                    score[n][t] = no_scores();
                }
            }
            UNROLL
            for (int s = 0; s < HEAD_STEPS; s++) {
                row_part part[BLOCKS];
                UNROLL
                for (int n = 0; n < BLOCKS; n++) {
                    part[n] = QUERY_PART(n, s);
                }
                UNROLL
                for (int t = 0; t < KEY_BLOCKS; t++) {
                    const column_part key = load_key_part(&engine, key_tile, t * 16, s * 16);
                    UNROLL
                    for (int n = 0; n < BLOCKS; n++) {
                        score[n][t] = multiply(&engine, key, part[n], score[n][t]);
                    }
                }
            }

            /* A plain score becomes one of log2 on the way to its weight. */
            const bool plain = !SOFTCAP && !WITH_ALIBI && whole;
            const float unit = plain ? scale * LOG2E : 1.0f;
            if (!plain) {
                UNROLL
                for (int n = 0; n < BLOCKS; n++) {
                    float x[KEY_BLOCKS][SCORES];
                    UNROLL
                    for (int s = 0; s < ROWS; s++) {
                        const struct row row = row_at(min(team0 + n * QUERIES + row_of(lane, s), rows - 1), h0);
                        const struct head mine = own_head(&a, &head, b, row.h, alibi, alibi_at);
                        UNROLL
                        for (int t = 0; t < KEY_BLOCKS; t++) {
                            UNROLL
                            for (int e = 0; e < SCORES; e++) {
                                if (slot_of(e) == s) {
                                    const int j = j0 + t * 16 + inner_of(lane, e);
                                    x[t][e] = any_score(&a, &mine, row.i, j, scale * SCORE(score[n][t], e));
                                }
                            }
                        }
                    }
                    UNROLL
                    for (int t = 0; t < KEY_BLOCKS; t++) {
                        score[n][t] = block_of(x[t]);
                    }
                }
            }

            float shift[BLOCKS][ROWS], part[BLOCKS][ROWS];
            UNROLL
            for (int n = 0; n < BLOCKS; n++) {
                UNROLL
                for (int s = 0; s < ROWS; s++) {
                    shift[n][s] = -reference[n][s];
                }
            }
            weigh(&engine, score, unit, shift, part, weights, rests);
            bool rose = false;
            UNROLL
            for (int n = 0; n < BLOCKS; n++) {
                UNROLL
                for (int s = 0; s < ROWS; s++) {
                    rose = rose || !(part[n][s] <= MOST_WEIGHT);
                }
            }
            if (any_lane(rose)) {
                float factor[BLOCKS][ROWS];
                UNROLL
                for (int n = 0; n < BLOCKS; n++) {
                    UNROLL
                    for (int s = 0; s < ROWS; s++) {
                        float top = -INFINITY;
                        UNROLL
                        for (int t = 0; t < KEY_BLOCKS; t++) {
                            UNROLL
                            for (int e = 0; e < SCORES; e++) {
                                const float x = slot_of(e) == s ? SCORE(score[n][t], e) * unit : -INFINITY;
                                top = x > top ? x : top;
                            }
                        }
                        top = row_max(top) - HEADROOM;
                        top = top > reference[n][s] ? top : reference[n][s];
                        factor[n][s] = weight_of(reference[n][s], top);
                        total[n][s] *= factor[n][s];
                        reference[n][s] = top;
                        shift[n][s] = top == -INFINITY ? 0.0f : -top;
                    }
                    UNROLL
                    for (int s = 0; s < VALUE_STEPS; s++) {
                        float scaled[SCORES];
                        UNROLL
                        for (int e = 0; e < SCORES; e++) {
                            scaled[e] = SCORE(sum[n][s], e) * factor[n][slot_of(e)];
                        }
                        sum[n][s] = block_of(scaled);
                    }
                }
                weigh(&engine, score, unit, shift, part, weights, rests);
            }
            UNROLL
            for (int n = 0; n < BLOCKS; n++) {
                UNROLL
                for (int s = 0; s < ROWS; s++) {
                    total[n][s] += part[n][s];
                }
            }
        }

        if (STAGES == 1) {
            place_values(&fetch, value_tile);
            barrier(CLK_LOCAL_MEM_FENCE);
            if (j0 + TILE_K < keys.end) {
                fetch_keys(&fetch, key_tile, &all_keys, &head.keys, j0 + TILE_K, head.used, g, keys_aligned);
            }
        }
        if (needed) {
            UNROLL
            for (int t = 0; t < KEY_BLOCKS; t++) {
                UNROLL
                for (int s = 0; s < VALUE_STEPS; s++) {
                    const column_part value = load_value_part(&engine, value_tile, t * 16, s * 16);
                    UNROLL
                    for (int n = 0; n < BLOCKS; n++) {
                        sum[n][s] = multiply(&engine, value, weights[n][t], sum[n][s]);
                        if (EXACT) {
                            sum[n][s] = multiply(&engine, value, rests[n][t], sum[n][s]);
                        }
                    }
                }
            }
        }
    }

    UNROLL
    for (int n = 0; n < BLOCKS; n++) {
        UNROLL
        for (int s = 0; s < ROWS; s++) {
            total[n][s] = row_sum(total[n][s]);
        }
    }
    UNROLL
    for (int n = 0; n < BLOCKS; n++) {
        UNROLL
        for (int s = 0; s < ROWS; s++) {
            const struct row row = row_at(team0 + n * QUERIES + row_of(lane, s), h0);
            const float all = total[n][s];
            if (row.i >= head.n_q) {
                continue;
            }
            const struct head mine = own_head(&a, &head, b, row.h, alibi, alibi_at);
            const float normal = all == 0.0f ? 0.0f : 1.0f / all;
            const long to = place(out_at, b, head.q0 + row.i, row.h);
            uint careful = 0; /* a bit for every 16 columns that are not finite */
            UNROLL
            for (int c = 0; HIDES && c < VALUE_STEPS; c++) {
                float zero = 0.0f;
                UNROLL
                for (int e = 0; e < SCORES; e++) {
                    zero += slot_of(e) == s ? SCORE(sum[n][c], e) * 0.0f : 0.0f;
                }
                careful |= zero == 0.0f ? 0 : 1 << c;
            }
            UNROLL
            for (int c = 0; c < VALUE_STEPS; c++) {
                UNROLL
                for (int e = 0; e < SCORES; e++) {
                    const int column = inner_of(lane, e);
                    if (slot_of(e) == s && (VALUE_DIM % 16 == 0 || c * 16 + column < VALUE_DIM)) {
                        store_result(out, to + c * 16 + column, SCORE(sum[n][c], e) * normal);
                    }
                }
            }
            for (int c = 0; HIDES && careful >> c; c++) {
                if (careful >> c & 1) {
                    careful_columns(lane, s, c * 16, &a, &mine, row.i, &all_keys, &all_values, g, q,
                                    place(q_at, b, head.q0 + row.i, row.h), scale, reference[n][s], out, to, normal);
                }
            }
            if (lse && leads_row(lane)) {
                lse[place(lse_at, b, head.q0 + row.i, row.h)] =
                    all == 0.0f ? -INFINITY : reference[n][s] * LN2 + log(all);
            }
        }
    }
}
